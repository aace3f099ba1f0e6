"""`zipmo eval`: how often the sentence gets done."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

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
from zipmo_ros.contract.splits import BY_NAME
from zipmo_ros.data.wordings import FAMILIES, ONCE
from zipmo_ros.evaluation.agents import AGENTS, EXECUTIONS
from zipmo_ros.evaluation.evaluate import TELL, choose_episodes, evaluate, identity, resolve
from zipmo_ros.evaluation.journal import Journal, run_identity
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.origin import visuals
from zipmo_ros.evaluation.outcomes import table
from zipmo_ros.evaluation.plotting import plot_failures
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.evaluation.runners import RUNNERS, Settings
from zipmo_ros.runtime.ensembling import Mode
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError


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

    tasks: Names
    states: Literal[tuple(BY_NAME)]
    via: Literal[tuple(RUNNERS)]
    command_interface: Literal["pose", "twist"] | None
    robot: str | None
    image_phase: Annotated[int, Range(0, 10)]
    camera_skew: Annotated[float, Range(0, 1)] | None
    plan_age: Count | None
    instruction: Literal[tuple(TELL)]
    oracle: Literal[tuple(AGENTS)]
    warm_start: FlowTime | None
    mode: Literal["lockstep", "realtime"]
    execution: Literal[tuple(EXECUTIONS)]
    latency_ms: Milliseconds
    latency_jitter: Share
    refuse_unknown: bool
    perturb: Literal[tuple(KINDS)] | None
    strength: Strength
    workers: Count
    max_steps: Count | None
    fresh: bool


def main(argv: list[str]) -> int:
    """0 when every episode ran to its end, successful or not; 1 when some crashed; 2 for a wrong request."""
    try:
        request = load("eval", argv, EvaluationRequest)
        settings = request.settings(
            request.via, command_interface=request.command_interface, robot=request.robot,
            image_phase=request.image_phase, camera_skew=request.camera_skew, plan_age=request.plan_age,
            oracle=request.oracle, warm_start=request.warm_start,
            max_steps=request.max_steps, mode=request.mode, execution=request.execution,
            latency_ms=request.latency_ms, latency_jitter=request.latency_jitter,
            refuse_unknown=request.refuse_unknown, perturb=request.perturb, strength=request.strength,
        )  # fmt: skip
        drawn = choose_episodes(settings, request.tasks, request.episodes, request.states, request.instruction)
        if request.instruction == FAMILIES[-1]:
            print(ONCE)
        facts = identity(settings)  # assets that are missing are missed now, not after the episodes
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo eval: {error}", file=sys.stderr)
        return 2
    journal_path = request.out.with_name(f"{request.out.name}l")  # .json: results, .jsonl: while it lasts
    try:
        with Journal(journal_path, run_identity(settings, drawn, facts["hashes"]), request.fresh) as journal:
            if journal.done:
                print(f"going on: {len(journal.done)} of {len(drawn)} episodes are in {journal_path}")
            report = evaluate(settings, drawn, request.workers, journal, instruction=request.instruction,
                              states=request.states, **facts)  # fmt: skip
            report = {**asked("eval", argv, plain(request)), **report}
            write_json(request.out, report)
            if not report["crashes"]:
                journal.remove()
    except (ValueError, BlockingIOError, WorkerError) as error:
        kept = "\nwhat was done is kept: the same command goes on" if isinstance(error, WorkerError) else ""
        print(f"zipmo eval: {error}{kept}", file=sys.stderr)
        return 2
    picture = request.out.with_suffix(".png")
    plot_failures(report, picture)
    print(table(report))
    named = [f"{part}: {name}" for part in ("planner", "policy") if (name := getattr(settings, part))]
    notes = [*named, f"oracle: {settings.oracle}", f"ensembling: {settings.ensemble}", f"protocol {report['protocol']}",
             visuals(report["suite"], report["hashes"]["assets"])]  # fmt: skip
    print("; ".join(note for note in notes if note))
    print(f"written to {request.out} and {picture}")
    if report["crashes"]:
        print(f"the same command runs the {report['crashes']} episodes again that crashed or were not come to")
    return int(report["crashes"] > 0)
