"""What came of an injection, whether that is what must come, and the figures of many."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zipmo_ros.evaluation.faults.kinds import BY_NAME
from zipmo_ros.evaluation.faults.measures import UNSAFE_M

AGAIN_M = 0.005  # m that a stopped hand may settle by


@dataclass(frozen=True)
class Finding:
    """number, kind: of the injection. speed: m/s of the hand when it began. load: the machine's, of the last minute.

    budget_s, wait_s: see Kind. stop_s: from the injection until the hand stood still; None: it did not. braked_s: until
    it had all but stopped (measures.py). said_s: until a node said that it stopped the arm. stops: {node: its causes}.
    way_m: how far the hand came in all. after_m: how far it got from where it was when the budget ended; again_m: so
    did a stopped hand before it was armed again, while the fault lasted and once it was over. moved_on: whether the
    hand moved at the end. recovery_s: until it moved again, armed. before: causes of a stop that nobody had brought
    about, before the injection. error: why there is no finding.
    """

    number: int
    kind: str
    setting: str
    speed: float = 0.0
    load: float = 0.0
    budget_s: float = 0.0
    wait_s: float = 0.0
    stop_s: float | None = None
    said_s: float | None = None
    stops: dict[str, list[str]] | None = None
    way_m: float = 0.0
    after_m: float = 0.0
    again_m: float = 0.0
    moved_on: bool = False
    recovery_s: float | None = None
    before: tuple[str, ...] = ()
    braked_s: float | None = None
    error: str | None = None

    @property
    def causes(self) -> set[str]:
        return {cause for causes in (self.stops or {}).values() for cause in causes}

    @property
    def stopped_first(self) -> bool:
        """Whether the node that drives the arm stopped it by itself, not at the policy's command to hold."""
        return not self.causes or bool(self.stops and {"arm", "sim"} & set(self.stops))

    @property
    def unsafe(self) -> bool:
        """Whether the hand moved on, or again, where it must not."""
        stopped = BY_NAME[self.kind].expected == "stop" or (BY_NAME[self.kind].expected == "either" and self.causes)
        return self.error is None and bool(stopped) and max(self.after_m, self.again_m) > UNSAFE_M

    @property
    def reaction_s(self) -> float | None:
        """Seconds to the stop, from when it could be known that there is a reason."""
        return None if self.stop_s is None else self.stop_s - self.wait_s

    @property
    def problems(self) -> list[str]:
        """What is not as it must be."""
        kind = BY_NAME[self.kind]
        if self.error is not None:
            return [self.error]
        found = []
        if self.unsafe:
            found.append(f"unsafe: {100 * max(self.after_m, self.again_m):.1f} cm after the budget")
        if kind.expected == "stop":
            if kind.causes and not self.causes.intersection(kind.causes):
                found.append(
                    f"stopped by {', '.join(sorted(self.causes)) or 'nothing'}, not {' or '.join(kind.causes)}"
                )
            if self.again_m > AGAIN_M:
                found.append(f"moved again by {100 * self.again_m:.1f} cm")
        if kind.expected == "go on" and self.causes:
            found.append(f"stopped by {', '.join(sorted(self.causes))}")
        if kind.expected == "go on" and not self.moved_on:
            found.append("stands still")
        if self.recovery_s is None:
            found.append("did not move again")
        return found


def read_finding(row: dict[str, Any]) -> Finding:
    """Of its JSON."""
    return Finding(**row | {"before": tuple(row["before"])})


def summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """The figures of all stops among them, seconds by percentile: of the whole, and of the reaction alone."""
    ended = [finding for finding in findings if finding.error is None]
    stops = [f for f in ended if BY_NAME[f.kind].expected == "stop" and f.stop_s is not None]
    told = [f for f in stops if not f.wait_s]
    return {
        "injections": len(findings),
        "crashed": len(findings) - len(ended),
        "unsafe": sum(f.unsafe for f in ended),
        "not_as_expected": sum(bool(f.problems) for f in ended),
        "unprovoked_stops": sum(bool(f.before) for f in ended),
        "reaction_s": percentiles([f.reaction_s for f in stops if f.reaction_s is not None]),
        "braked_s": percentiles([f.braked_s - f.wait_s for f in stops if f.braked_s is not None]),
        "told_braked_s": percentiles([f.braked_s for f in told if f.braked_s is not None]),
        "by_arm_s": percentiles([f.braked_s - f.wait_s for f in stops if f.braked_s is not None and f.stopped_first]),
        "said_to_stop_s": percentiles([f.stop_s - f.said_s for f in stops
                                       if f.stop_s is not None and f.said_s is not None]),
        "load": statistics.median([f.load for f in ended]) if ended else None,
    }  # fmt: skip


def of_kind(findings: Sequence[Finding]) -> dict[str, Any]:
    """The figures of one kind."""
    ended = [finding for finding in findings if finding.error is None]
    kind = BY_NAME[findings[0].kind]
    causes: dict[str, int] = {}
    for finding in ended:
        for node, names in (finding.stops or {}).items():
            for name in names:
                causes[f"{node}: {name}"] = causes.get(f"{node}: {name}", 0) + 1
    return {
        "kind": kind.name,
        "group": kind.group,
        "expected": kind.expected,
        "count": len(findings),
        "as_expected": sum(not finding.problems for finding in findings),
        "unsafe": sum(finding.unsafe for finding in ended),
        "wait_s": max((finding.wait_s for finding in ended), default=None),
        "stop_s": percentiles([f.stop_s for f in ended if f.stop_s is not None]),
        "braked_s": percentiles([f.braked_s for f in ended if f.braked_s is not None]),
        "way_m": max((f.way_m for f in ended), default=None),
        "after_m": max((max(f.after_m, f.again_m) for f in ended), default=None),
        "causes": dict(sorted(causes.items(), key=lambda item: -item[1])),
        "problems": sorted({problem for finding in findings for problem in finding.problems}),
    }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """p50, p99 and the largest."""
    if not values:
        return None
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99)), "max": max(values)}
