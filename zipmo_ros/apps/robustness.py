"""`zipmo robustness`: success where something is otherwise than in training."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from zipmo_ros.apps.configuration import Names, Range, Strength, load, plain
from zipmo_ros.apps.sweeping import SweepRequest
from zipmo_ros.evaluation.agents import AGENTS
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.evaluate import choose_episodes, identity
from zipmo_ros.evaluation.first_frames import first_frames
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_frames, plot_robustness
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.evaluation.robustness import VARIED, fitting, report, rows, table
from zipmo_ros.evaluation.runners import environment_options
from zipmo_ros.motion.checkpoint import write_atomically
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError


@dataclass(frozen=True)
class RobustnessRequest(SweepRequest):
    """Keys of config/hydra/robustness.yaml."""

    perturb: Names
    strength: Annotated[tuple[Strength, ...], Range(1)]
    oracle: Literal[tuple(AGENTS)]  # type: ignore[valid-type]

    def perturbations(self, drawn: Sequence[Episode]) -> list[str]:
        """Those named, or all that fit a task of the episodes. Raises ValueError for one that there is not."""
        if self.perturb == "all":
            return fitting(self.suite, drawn)
        if unknown := set(self.perturb) - set(KINDS):
            raise ValueError(f"unknown perturbation {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        return [name for name in KINDS if name in self.perturb]


def main(argv: list[str]) -> int:
    """0; 1 when episodes crashed; 2 for a wrong request."""
    try:
        request = load("robustness", argv, RobustnessRequest)
        base = request.settings("direct", max_steps=request.max_steps, oracle=request.oracle)
        drawn = choose_episodes(base, request.tasks, request.episodes, request.states, "own")
        names = request.perturbations(drawn)
        cells = rows(base.suite, names, request.strength, drawn)
        facts = identity(base)
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo robustness: {error}", file=sys.stderr)
        return 2
    try:
        outcomes = request.swept(base, cells, facts["hashes"])
    except (ValueError, BlockingIOError, WorkerError) as error:
        print(f"zipmo robustness: {error}", file=sys.stderr)
        return 2
    found = report(outcomes)
    content = {
        **asked("robustness", argv, plain(request)), **{name: facts[name] for name in facts if name not in VARIED},
        "suite": base.suite, "states": request.states, "seed": base.seed, "max_steps": base.max_steps, "rows": found,
    }  # fmt: skip
    write_json(request.out, content)
    told = table(content)
    write_atomically(request.out.with_suffix(".md"), f"{told}\n".encode())
    plot_robustness(content, request.out.with_suffix(".png"))
    sheet = request.out.with_name(f"{request.out.stem}-frames.png")
    ran = dict.fromkeys(episode.task for episode in drawn)
    options = environment_options(base)
    plot_frames(first_frames(base.suite, ran, names, drawn[0].init_state, base.seed, **options), sheet)
    print(told)
    print(f"written to {request.out}, .md, .png and {sheet}; rows stay in {request.folder}")
    return int(any(row["crashes"] for row in found))
