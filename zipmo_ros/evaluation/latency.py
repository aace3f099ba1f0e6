"""Success against injected latency: the same episodes, by how late plans come and how they are executed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from zipmo_ros.evaluation.outcomes import Outcome, wilson_interval
from zipmo_ros.evaluation.runners import Settings

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


def report(cell: Cell, outcomes: list[Outcome]) -> dict[str, Any]:
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
