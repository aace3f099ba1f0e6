"""`zipmo eval`: how often the sentence gets done."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from zipmo_ros.apps.configuration import (
    Count,
    EulerSteps,
    FlowTime,
    Milliseconds,
    Names,
    Range,
    Seed,
    Share,
    Strength,
    load,
    plain,
)
from zipmo_ros.contract.protocols import DTYPES, ENGINES
from zipmo_ros.contract.splits import ALL, BY_NAME
from zipmo_ros.data.wordings import FAMILIES, ONCE
from zipmo_ros.evaluation.agents import AGENTS, EXECUTIONS
from zipmo_ros.evaluation.cluster import place_for
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.evaluate import TELL, choose_episodes, evaluate, identity, resolve
from zipmo_ros.evaluation.gallery import clear_frames, frames_beside
from zipmo_ros.evaluation.journal import Journal, run_identity
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.origin import visuals
from zipmo_ros.evaluation.outcomes import Outcome, summarise, table
from zipmo_ros.evaluation.parallel import as_far_as, interrupted
from zipmo_ros.evaluation.plotting import plot_failures
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.evaluation.protocols import OWN, EvaluationProtocol
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.evaluation.runners import RUNNERS, Settings
from zipmo_ros.runtime.ensembling import Mode
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.rendering import LOOKS
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError
from zipmo_sim.task import SETTLINGS

SHORT = {"bf16": "bfloat16"}  # what else `dtype` is called


@dataclass(frozen=True)
class LoopRequest:
    """What every run of the closed loop is asked for; a graph's arguments of these names mean the same."""

    suite: str
    checkpoint: str | None
    planner: str | None
    policy: str | None
    seed: Seed
    replan_every: Count
    nfe: EulerSteps | None
    ensemble: Mode
    libero_assets: Path | None
    episodes: Count
    out: Path

    def settings(self, via: str, **others) -> Settings:
        """With what the checkpoint says filled in; see `resolve`."""
        return resolve(
            suite=self.suite, checkpoint=self.checkpoint, planner=self.planner, policy=self.policy, via=via,
            seed=self.seed, replan_every=self.replan_every, nfe=self.nfe, ensemble=self.ensemble,
            libero_assets=self.libero_assets, **others,
        )  # fmt: skip


@dataclass(frozen=True)
class EvaluationRequest(LoopRequest):
    """Keys of config/hydra/eval.yaml."""

    protocol: str
    tasks: Names
    states: Literal[(*BY_NAME, ALL)]
    draw: Literal["seeded", "in_order"]
    seeds: Count
    via: Literal[tuple(RUNNERS)]
    command_interface: Literal["pose", "twist"] | None
    robot: str | None
    image_phase: Annotated[int, Range(0, 10)]
    camera_skew: Annotated[float, Range(0, 1)] | None
    plan_age: Count | None
    instruction: Literal[tuple(TELL)]
    oracle: Literal[tuple(AGENTS)]
    warm_start: FlowTime | None
    engine: Literal[ENGINES]
    device: str
    dtype: Literal[(*DTYPES, *SHORT)]
    text_encoder: Path | None
    mode: Literal["lockstep", "realtime"]
    execution: Literal[tuple(EXECUTIONS)]
    latency_ms: Milliseconds
    latency_jitter: Share
    refuse_unknown: bool
    perturb: Literal[tuple(KINDS)] | None
    strength: Strength
    look: Literal[tuple(LOOKS)] | None
    settle: Literal[tuple(SETTLINGS)] | None
    workers: Count
    ray: str | None
    max_steps: Count | None
    fresh: bool

    def runs(self) -> dict[Settings, list[Episode]]:
        """What is run for each seed. Raises ValueError or FileNotFoundError for what can't be."""
        if self.ray and self.via == "ros":
            raise ValueError(f"ray={self.ray} needs via=direct: graphs of nodes were not tried on a cluster")
        names = ("command_interface", "robot", "image_phase", "camera_skew", "plan_age", "oracle", "warm_start",
                 "engine", "device", "text_encoder", "max_steps", "mode", "execution", "latency_ms", "latency_jitter",
                 "refuse_unknown", "perturb", "strength", "look", "settle")  # fmt: skip
        settings = self.settings(
            self.via,
            gallery=frames_beside(self.out.absolute()),
            dtype=SHORT.get(self.dtype, self.dtype),
            **{name: getattr(self, name) for name in names},
        )
        seeded = [replace(settings, seed=seed) for seed in range(self.seed, self.seed + self.seeds)]
        how = (self.tasks, self.episodes, self.states, self.instruction, self.draw == "in_order")
        return {run: choose_episodes(run, *how) for run in seeded}


def requested(argv: list[str]) -> tuple[EvaluationRequest, EvaluationProtocol]:
    """What is asked for: the protocol's keys in place of the defaults, and over them what the words say.

    Raises ValueError for a wrong request.
    """
    asking = load("eval", argv, EvaluationRequest)
    protocol = EvaluationProtocol.load(asking.protocol)
    fixed = protocol.keys(asking.suite).items()
    words = [f"{key}={'null' if value is None else value}" for key, value in fixed]
    return load("eval", [*words, *argv], EvaluationRequest), protocol


def described(request: EvaluationRequest, protocol: EvaluationProtocol) -> dict[str, Any]:
    """What `summarise` takes of the request, besides the outcomes and where they come from."""
    values = plain(request)
    names = ("suite", "via", "seed", "max_steps", "instruction", "states", "draw")
    own = protocol.name == OWN
    return {
        **{name: values[name] for name in names},
        "seeds": request.seeds,
        "protocol": None if own else protocol.told(request.suite, values),
        "fixed": () if own else tuple(protocol.fixes),
    }


def main(argv: list[str]) -> int:
    """0 when every episode ran to its end, successful or not; 1 when some crashed; 2 for a wrong request."""
    try:
        request, protocol = requested(argv)
        runs = request.runs()
        settings = next(iter(runs))
        if request.instruction == FAMILIES[-1]:
            print(ONCE)
        facts = identity(settings)  # assets that are missing are missed now, not after the episodes
        facts["hashes"]["protocol"] = protocol.hash
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo eval: {error}", file=sys.stderr)
        return 2
    try:
        with ExitStack() as stack:
            journals = _journals(request, runs, facts["hashes"], stack)
            place = stack.enter_context(place_for(request.ray))
            outcomes: list[Outcome] = []
            for run, drawn in runs.items():
                if interrupted(outcomes):
                    outcomes += as_far_as(journals[run].done, drawn)
                else:
                    outcomes += evaluate(run, drawn, request.workers, journals[run], place)
            report = {
                **asked("eval", argv, plain(request)), **summarise(outcomes, **described(request, protocol), **facts)
            }  # fmt: skip
            write_json(request.out, report)
            if not report["crashes"]:
                for journal in journals.values():
                    journal.remove()
    except (ValueError, BlockingIOError, WorkerError) as error:
        kept = "\nwhat was done is kept: the same command goes on" if isinstance(error, WorkerError) else ""
        print(f"zipmo eval: {error}{kept}", file=sys.stderr)
        return 2
    _tell(report, settings, protocol, request.out)
    return int(report["crashes"] > 0)


def _tell(report: dict[str, Any], settings: Settings, protocol: EvaluationProtocol, out: Path) -> None:
    picture = out.with_suffix(".png")
    plot_failures(report, picture)
    print(table(report))
    named = [f"{part}: {name}" for part in ("planner", "policy") if (name := getattr(settings, part))]
    notes = [*named, f"oracle: {settings.oracle}", f"ensembling: {settings.ensemble}", f"protocol {report['protocol']}",
             visuals(report["suite"], report["hashes"]["assets"])]  # fmt: skip
    print("; ".join(note for note in notes if note))
    for note in protocol.otherwise:
        print(f"otherwise than {protocol.name} has it: {note}")
    print(f"written to {out} and {picture}")
    if report["crashes"]:
        print(f"the same command runs the {report['crashes']} episodes again that crashed or were not come to")


def _journals(
    request: EvaluationRequest, runs: Mapping[Settings, list[Episode]], hashes: dict[str, str], stack: ExitStack
) -> dict[Settings, Journal[Outcome]]:
    """One a run, open as long as the stack is: beside the result file, .jsonl while it lasts."""
    found = {}
    for run, drawn in runs.items():
        several = f"-seed{run.seed}" if len(runs) > 1 else ""
        path = request.out.with_name(f"{request.out.stem}{several}{request.out.suffix}l")
        journal = Journal(path, run_identity(run, drawn, hashes), request.fresh)
        found[run] = stack.enter_context(journal)
        if journal.done:
            print(f"going on: {len(journal.done)} of {len(drawn)} episodes are in {path}")
    if not any(journal.done for journal in found.values()):
        clear_frames(request.out)
    return found
