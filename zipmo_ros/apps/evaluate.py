"""`zipmo eval`: how often the sentence gets done."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import yaml
from tqdm import tqdm

from zipmo_ros.apps.configuration import load
from zipmo_ros.contract.share import share_path
from zipmo_ros.evaluation.agents import AGENTS, EXPERT_ORACLES
from zipmo_ros.evaluation.episodes import STATES, Episode, Tell, draw_episodes, own, paraphrase, swap
from zipmo_ros.evaluation.origin import origin, request, shown, visuals
from zipmo_ros.evaluation.outcomes import Outcome, summarise, table
from zipmo_ros.evaluation.parallel import run_parallel
from zipmo_ros.evaluation.plotting import plot_failures
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.evaluation.runners import RUNNERS, Settings
from zipmo_ros.models import bundle_path
from zipmo_ros.motion.checkpoint import content_hash
from zipmo_ros.runtime.ensembling import Mode
from zipmo_sim.suites import Task, tasks
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError


def choose_tasks(suite: str, names: str | list[str]) -> list[Task]:
    """Tasks of the suite by name, or "all". Raises ValueError for a name that the suite lacks."""
    available = tasks(suite)
    if names == "all":
        return available
    wanted = names.split(",") if isinstance(names, str) else list(names)
    unknown = sorted(set(wanted) - {task.name for task in available})
    if unknown:
        known = ", ".join(task.name for task in available)
        raise ValueError(f"suite {suite} has no task {', '.join(unknown)}; it has {known}")
    return [task for task in available if task.name in wanted]


def identity(settings: Settings) -> dict:
    """What a figure must carry to be understood later: versions, hashes, machine, date."""
    from zipmo_sim.provenance import asset_hash, render_hash

    return {
        "checkpoint": shown(settings.checkpoint),
        "oracle": settings.oracle,
        "ensemble": settings.ensemble,
        "replan_every": settings.replan_every,
        "nfe": settings.nfe,
        "hashes": {
            "checkpoint": content_hash(settings.checkpoint),
            "assets": asset_hash(settings.suite, settings.libero_assets),
            "render": render_hash(settings.suite),
        },
        **origin(),
    }


def _paraphrases(suite: str) -> dict[str, list[str]]:
    return yaml.safe_load(share_path(f"config/paraphrases/{suite}.yaml").read_text())


# What instruction=... tells the episodes of a suite.
TELL: dict[str, Callable[[str], Tell]] = {
    "own": lambda suite: own,
    "swap": lambda suite: swap(tasks(suite)),
    "paraphrase": lambda suite: paraphrase(_paraphrases(suite)),
}


def check_oracle(oracle: str, via: str, instruction: str, checkpoint: Path) -> None:
    """Raises ValueError for an oracle that does not exist, or that can't be what is asked for."""
    if oracle not in AGENTS:
        raise ValueError(f"oracle must be one of {', '.join(AGENTS)}, got '{oracle}'")
    if oracle != "none" and via != "direct":
        raise ValueError(f"oracle={oracle} needs via=direct: the graph runs planner and policy alone")
    if oracle in EXPERT_ORACLES and instruction == "swap":
        raise ValueError(f"oracle={oracle} can't be told another task: the expert only knows the scene's own")
    if oracle == "bc" and not (checkpoint / "bc").is_dir():
        raise ValueError(f"oracle=bc needs a bundle with bc/; there is none in {checkpoint}")


def evaluate(settings: Settings, drawn: list[Episode], workers: int, **facts) -> dict:
    """Run the episodes with a progress bar; the report of `summarise`. facts: what else it takes."""
    done = 0
    with tqdm(total=len(drawn), unit="episode", desc=f"{settings.suite} via {settings.via}") as bar:

        def progress(outcome: Outcome) -> None:
            nonlocal done
            done += outcome.success
            bar.update()
            bar.set_postfix_str(f"{done} succeeded")

        outcomes = run_parallel(settings, drawn, workers, progress)
    return summarise(
        outcomes, suite=settings.suite, via=settings.via, seed=settings.seed, max_steps=settings.max_steps, **facts
    )


def settings_of(config, via: str) -> Settings:
    """The settings that a configuration names. Raises FileNotFoundError or ValueError for what can't be run."""
    if config.ensemble not in get_args(Mode):
        raise ValueError(f"ensemble must be one of {', '.join(get_args(Mode))}, got '{config.ensemble}'")
    for key, most in (("episodes", None), ("nfe", 1000), ("replan_every", 16)):  # a plan is for 16 steps
        number = config[key]
        if not isinstance(number, int) or number < 1 or (most and number > most):
            raise ValueError(f"{key} must be a whole number from 1{f' to {most}' if most else ''}, got {number}")
    if config.libero_assets and not config.suite.startswith("libero"):
        raise ValueError(f"libero_assets is for the suites of LIBERO; '{config.suite}' needs none")
    checkpoint = bundle_path(config.checkpoint, config.suite)
    content_hash(checkpoint)  # an empty folder is refused now, not after the episodes
    return Settings(
        suite=config.suite,
        checkpoint=checkpoint,
        via=via,
        seed=config.seed,
        replan_every=config.replan_every,
        nfe=config.nfe,
        ensemble=config.ensemble,
        libero_assets=config.libero_assets and Path(config.libero_assets),
    )


def main(argv: list[str]) -> int:
    """0 when every episode ran to its end, successful or not; 1 when some crashed; 2 for a wrong request."""
    try:
        config = load("eval", argv)
        if config.via not in RUNNERS:
            raise ValueError(f"via must be one of {', '.join(RUNNERS)}, got '{config.via}'")
        if config.instruction not in TELL:
            raise ValueError(f"instruction must be one of {', '.join(TELL)}, got '{config.instruction}'")
        if config.workers < 1:
            raise ValueError(f"workers must be at least 1, got {config.workers}")
        if config.max_steps is not None and not (isinstance(config.max_steps, int) and config.max_steps > 0):
            raise ValueError(f"max_steps must be null or a positive number of control steps, got {config.max_steps}")
        chosen = choose_tasks(config.suite, config.tasks)
        if config.states not in STATES:
            raise ValueError(f"states must be one of {', '.join(STATES)}, got '{config.states}'")
        settings = replace(settings_of(config, config.via), oracle=config.oracle, max_steps=config.max_steps)
        check_oracle(config.oracle, config.via, config.instruction, settings.checkpoint)
        tell = TELL[config.instruction](config.suite)
        drawn = draw_episodes(chosen, config.episodes, config.seed, tell, STATES[config.states])
        facts = identity(settings)  # assets that are missing are missed now, not after the episodes
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo eval: {error}", file=sys.stderr)
        return 2
    try:
        report = evaluate(
            settings, drawn, config.workers, instruction=config.instruction, states=config.states, **facts
        )
    except WorkerError as error:
        print(f"zipmo eval: {error}", file=sys.stderr)
        return 2
    report = {**request("eval", argv, config), **report}
    out = Path(config.out)
    write_json(out, report)
    plot_failures(report, out.with_suffix(".png"))
    print(table(report))
    notes = [f"oracle: {settings.oracle}", f"ensembling: {settings.ensemble}", f"protocol {report['protocol']}",
             visuals(report["hashes"]["assets"])]  # fmt: skip
    print("; ".join(note for note in notes if note))
    print(f"written to {out} and {out.with_suffix('.png')}")
    return int(report["crashes"] > 0)
