"""Injections one after another on a rig, in an order and at moments that a seed draws."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from zipmo_ros.evaluation.faults.findings import Finding
from zipmo_ros.evaluation.faults.kinds import Kind
from zipmo_ros.evaluation.faults.measures import BRAKED_M_S, LASTING_S, metres_after, metres_off, stop_s

LONGEST_WAIT_S = 0.6  # before an injection, of a hand that moves
LONGEST_FAULT_S = 0.3  # that it goes on for, once the hand stands still
SEEN_S = 1.0  # s that what must not stop the arm lasts
PATIENCE_S = 1.0  # s after the budget
AFTER_S = 0.35  # s that a stopped hand is watched for once the fault is over


class DrilledRig(Protocol):
    """See nodes/faults/rig.py."""

    began: float
    stops: dict[str, dict[str, float]]

    def recover(self) -> str | None: ...
    def mark(self) -> None: ...
    def turn(self, seconds: float) -> None: ...
    def until(self, condition: Callable[[], Any], timeout: float) -> bool: ...
    def path(self, since: float) -> np.ndarray: ...


Lift = Callable[[], Any]
Inject = Callable[[Any, random.Random], Lift]


@dataclass(frozen=True)
class Injection:
    """wait_s: how long the hand moves before. lasting_s: how long the fault lasts after the hand has stopped."""

    number: int
    kind: Kind
    setting: str
    wait_s: float
    lasting_s: float
    seed: int


def draw(kinds: Sequence[Kind], settings: Sequence[str], count: int, seed: int) -> list[Injection]:
    """As many of every kind as possible, in any order; those of a setting together."""
    rng = random.Random(seed)
    shares = [count // len(settings) + (i < count % len(settings)) for i in range(len(settings))]
    drawn: list[Injection] = []
    for setting, share in zip(settings, shares, strict=True):
        rounds = [kind for _ in range(-(-share // len(kinds))) for kind in rng.sample(kinds, len(kinds))]
        for kind in rounds[:share]:
            wait, lasting = rng.uniform(0, LONGEST_WAIT_S), rng.uniform(0, LONGEST_FAULT_S)
            drawn.append(Injection(len(drawn), kind, setting, wait, lasting, rng.getrandbits(32)))
    return drawn


def inject(
    rig: DrilledRig, injection: Injection, how: Inject, timeouts: Mapping[str, float], period_s: float
) -> Finding:
    """One injection, from a hand that moves to one that moves again. Raises RuntimeError where the rig is broken."""
    before = _moving(rig, injection.wait_s)
    kind, budget = injection.kind, injection.kind.budget_s(timeouts, period_s)
    rig.mark()
    called = rig.began
    lift = how(rig, random.Random(injection.seed))
    ends = kind.expected in ("stop", "nobody left")
    rig.until(lambda: _stood(rig), budget + PATIENCE_S if ends else SEEN_S)
    began = rig.began
    speed = _speed(rig.path(called - 2 * period_s), called)
    rig.turn(injection.lasting_s)
    stopped = stop_s(rig.path(began), began)
    at = time.monotonic()
    lift()
    rig.turn(AFTER_S)
    path = rig.path(began)
    again = 0.0 if stopped is None else metres_off(path, began + max(stopped, budget))
    stops = {node: sorted(causes) for node, causes in rig.stops.items()}
    said = min((moment for causes in rig.stops.values() for moment in causes.values()), default=None)
    moved_on = metres_after(path, at) > 0.0
    since = time.monotonic()
    problem = rig.recover()
    return Finding(
        injection.number, kind.name, injection.setting, speed, round(os.getloadavg()[0], 2), budget,
        kind.wait_s(timeouts), stopped, None if said is None else said - began, stops,
        metres_after(path, began), metres_off(path, began + budget), again, moved_on,
        None if problem else time.monotonic() - since, before, stop_s(path, began, BRAKED_M_S),
    )  # fmt: skip


def drill(
    rig: DrilledRig, injections: Sequence[Injection], how: Mapping[str, Inject], timeouts: Mapping[str, float],
    period_s: float, found: Callable[[Finding], None],
) -> None:  # fmt: skip
    """All of them; `found` is called with what came of each. Raises RuntimeError where the rig does not recover."""
    for injection in injections:
        finding = inject(rig, injection, how[injection.kind.name], timeouts, period_s)
        found(finding)
        if finding.recovery_s is None:
            raise RuntimeError(f"after '{finding.kind}' it does not move again")


def _moving(rig: DrilledRig, seconds: float) -> tuple[str, ...]:
    """Have the hand move for a while; causes of stops that nobody brought about."""
    if problem := rig.recover():
        raise RuntimeError(problem)
    rig.mark()
    rig.turn(seconds)
    causes = tuple(sorted({cause for found in rig.stops.values() for cause in found}))
    if causes and (problem := rig.recover()):
        raise RuntimeError(problem)
    return causes


def _stood(rig: DrilledRig) -> bool:
    now = time.monotonic()
    return now - rig.began > LASTING_S and stop_s(rig.path(rig.began), rig.began) is not None


def _speed(path: np.ndarray, until: float) -> float:
    path = path[path[:, 0] <= until]
    if len(path) < 2:
        return 0.0
    return float(np.linalg.norm(path[-1, 1:] - path[0, 1:]) / (path[-1, 0] - path[0, 0]))
