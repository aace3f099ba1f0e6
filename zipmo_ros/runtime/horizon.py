"""A receding horizon of time-stamped chunks of actions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import nearest_step
from zipmo_ros.runtime.commands import binarise_gripper, to_command


class Ensemble(Protocol):
    """What blends the chunks that cover a step (see ensembling.py)."""

    def add(self, step: int, chunk: np.ndarray) -> None: ...
    def action(self, step: int) -> np.ndarray: ...
    def reset(self) -> None: ...


class Horizon:
    """Holds the chunks [length, 7] of the newest plans, each stamped with the observation that it was made from.

    Time decides which of a chunk's actions is meant for now: entry i belongs to stamp + i steps. So a plan that comes
    late is used from the step that it is late by, and its past is never executed.

    ensemble: blends chunks that overlap. replan_every: steps between two plans that are taken; what comes sooner is
    not needed (`due`), which makes the loop independent of how often cameras deliver. robot: its rate and what its
    actions mean.
    """

    def __init__(self, ensemble: Ensemble, replan_every: int, robot: RobotSpec):
        if replan_every < 1:
            raise ValueError(f"replan_every must be at least 1 step, got {replan_every}")
        self.ensemble = ensemble
        self.replan_every = replan_every
        self.robot = robot
        self._stamp_ns: int | None = None
        self._length = 0

    def reset(self) -> None:
        """Forget all plans."""
        self.ensemble.reset()
        self._stamp_ns = None

    @property
    def stamp_ns(self) -> int | None:
        """Stamp of the newest plan."""
        return self._stamp_ns

    def age_ns(self, stamp_ns: int) -> int | None:
        """How old the newest plan is at `stamp_ns`; None without one."""
        return None if self._stamp_ns is None else stamp_ns - self._stamp_ns

    def due(self, stamp_ns: int) -> bool:
        """Whether the observation at `stamp_ns` wants a plan of its own."""
        age = self.age_ns(stamp_ns)
        return age is None or age >= self.replan_every * self.robot.period_ns

    def feel(self, stamp_ns: int, hand: np.ndarray) -> None:
        """The hand was measured at the pose `hand` [7]. For horizons that care where it was, which this one doesn't."""

    def add(self, stamp_ns: int, chunk: np.ndarray) -> None:
        """Take the chunk [length, 7] of a plan. Raises ValueError when it is older than the newest one held."""
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            raise ValueError(f"a plan of {stamp_ns} ns after one of {self._stamp_ns} ns; reset() when time restarts")
        self.ensemble.add(self._step(stamp_ns), chunk)
        self._stamp_ns, self._length = stamp_ns, len(chunk)

    def hold(self, stamp_ns: int) -> None:
        """The newest plan, of this stamp, says to hold: nothing of the others is done any more."""
        self.reset()
        self._stamp_ns, self._length = stamp_ns, 0

    @property
    def holds(self) -> bool:
        """Whether the newest plan says to hold."""
        return self._stamp_ns is not None and not self._length

    def command(self, stamp_ns: int, hand: np.ndarray) -> Command | None:
        """The command for the step at `stamp_ns`, when the hand was measured at the pose `hand` [7]; the gripper fully
        open or closed. None where no chunk says what to do: there is none, they have run out, or the plan is to hold.

        Raises LookupError for a time before the newest plan's.
        """
        if self._stamp_ns is None:
            return None
        steps = self._step(stamp_ns) - self._step(self._stamp_ns)
        if steps < 0:
            raise LookupError(f"the newest plan is of {self._stamp_ns} ns, so none is for {stamp_ns} ns")
        if steps >= self._length:
            return None
        return to_command(binarise_gripper(self.ensemble.action(self._step(stamp_ns))), hand, self.robot)

    def _step(self, stamp_ns: int) -> int:
        """Nearest control step, counted from time zero."""
        return nearest_step(stamp_ns, self.robot.period_ns)
