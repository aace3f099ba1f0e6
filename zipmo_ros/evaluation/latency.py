"""Success against injected latency: the same episodes, by how late plans come and how they are executed."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zipmo_ros.evaluation.agents import build_agent
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.journal import Journal, run_identity
from zipmo_ros.evaluation.outcomes import Outcome, wilson_interval
from zipmo_ros.evaluation.pool import Died, run_jobs
from zipmo_ros.evaluation.rollout import run_episode
from zipmo_ros.evaluation.runners import Settings, environment_options
from zipmo_sim import suites
from zipmo_sim.rendering import select_backend
from zipmo_sim.simulator import Simulator

VARIED = ("execution", "latency_ms", "latency_jitter", "replan_every")  # from cell to cell
# What a result file keeps of an outcome; the rest is the same for all.
_KEPT = ("number", "task", "init_state", "success", "steps", "error", "failure", "plan_age_ms", "jerk", "jump",
         "held_steps")  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One condition, by fields of Settings, which are VARIED."""

    execution: str
    latency_ms: float
    latency_jitter: float
    replan_every: int

    @property
    def name(self) -> str:
        return f"{self.execution}-{self.latency_ms:g}ms-{self.latency_jitter:g}-every{self.replan_every}"

    def settings(self, base: Settings) -> Settings:
        return replace(base, **asdict(self))


def cells(
    executions: Sequence[str], latencies: Sequence[float], jitters: Sequence[float], replan_every: int,
    synchronous_steps: int,
) -> list[Cell]:  # fmt: skip
    """Every condition once; without latency there is nothing to jitter."""
    every = {name: synchronous_steps if name == "synchronous" else replan_every for name in executions}
    made = [Cell(name, ms, jitter if ms else 0.0, every[name])
            for jitter in jitters for name in executions for ms in latencies]  # fmt: skip
    return list(dict.fromkeys(made))


def sweep(
    base: Settings, conditions: Sequence[Cell], episodes: Sequence[Episode], workers: int, folder: Path,
    hashes: dict[str, str], progress: Callable[[Cell, Outcome], None], fresh: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Run what the journals in `folder`, one a cell, lack; what is reported of each cell, in order.

    They stay there, so that a later sweep with more cells runs those alone. progress: called with every outcome, those
    that were known already first. Raises ValueError or BlockingIOError for journals that can't be gone on with,
    WorkerError where workers can't do anything at all.
    """
    with contextlib.ExitStack() as stack:
        journals: dict[Cell, Journal[Outcome]] = {}
        for cell in conditions:
            identity = run_identity(cell.settings(base), episodes, hashes)
            journals[cell] = stack.enter_context(Journal(folder / f"{cell.name}.jsonl", identity, fresh))
            for outcome in journals[cell].done.values():
                progress(cell, outcome)
        groups: dict[str, list[tuple[Cell, Episode]]] = {}
        for cell in conditions:
            for episode in episodes:
                if episode.number not in journals[cell].done:
                    groups.setdefault(episode.task, []).append((cell, episode))
        outcomes = {cell: dict(journal.done) for cell, journal in journals.items()}
        with contextlib.closing(run_jobs(_serve, groups, workers, base)) as jobs:
            for _, (cell, episode), outcome in jobs:
                if isinstance(outcome, Died):
                    error = f"the worker ended with exit status {outcome.exit_code}"
                    outcome = Outcome.of(episode, success=False, original_success=False, steps=0, error=error)
                journals[cell].append(outcome)
                outcomes[cell][episode.number] = outcome
                progress(cell, outcome)
        return [_report(cell, [outcomes[cell][episode.number] for episode in episodes]) for cell in conditions]


def _serve(task: str, jobs: Iterator[tuple[Cell, Episode]], answer: Callable[[Outcome], None], base: Settings) -> None:
    """All cells of a task in one environment; an agent a cell."""
    select_backend()  # before anything imports mujoco
    simulator, agent, current = Simulator(suites, environment_options(base)), None, None
    try:
        for cell, episode in jobs:
            settings = cell.settings(base)
            if cell != current:
                simulator.prepare(base.suite, task)
                agent, current = build_agent(settings)(simulator.env), cell
            assert agent is not None
            answer(run_episode(simulator, agent, episode, base.suite, settings.image_every))
    finally:
        simulator.close()


def _report(cell: Cell, outcomes: list[Outcome]) -> dict[str, Any]:
    """A cell's figures. Time and jerk are medians over the episodes that succeeded: who gives up moves little."""
    ended = [outcome for outcome in outcomes if outcome.error is None]
    done = [outcome for outcome in ended if outcome.success]
    known = [outcome for outcome in ended if outcome.jump is not None]
    steps = sum(outcome.steps for outcome in ended)
    return {
        **asdict(cell),
        "success_rate": len(done) / len(ended) if ended else None,
        "wilson95": list(wilson_interval(len(done), len(ended))),
        "crashes": len(outcomes) - len(ended),
        "median_steps": _median([outcome.steps for outcome in done]),
        "jerk": _median([outcome.jerk for outcome in done]),
        "jump": statistics.fmean(outcome.jump for outcome in known if outcome.jump is not None) if known else None,
        "plan_age_ms": _median([outcome.plan_age_ms for outcome in ended]),
        "held_share": sum(outcome.held_steps or 0 for outcome in ended) / steps if steps else None,
        "episodes": [{name: getattr(outcome, name) for name in _KEPT} for outcome in outcomes],
    }  # fmt: skip


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
