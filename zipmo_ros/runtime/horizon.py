"""A receding horizon of time-stamped chunks of actions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import nearest_step
from zipmo_ros.runtime.brake import Brake
from zipmo_ros.runtime.commands import binarise_gripper, to_command


class Ensemble(Protocol):
    """What blends the chunks that cover a step (see ensembling.py)."""

    def add(self, step: int, chunk: np.ndarray) -> None: ...
    def action(self, step: int) -> np.ndarray: ...
    def reset(self) -> None: ...


class Horizon:
    """Holds the chunks [length, 7] of the newest plans, each stamped with the observation that it was made from.

    Time decides which of a chunk's actions is meant for now: entry i belongs to stamp + i steps. So a plan that comes
    late is used from the step that it is late by, and its past is never executed. When all have run out the arm slows
    down and holds (Brake), until a chunk comes that still has something to say.

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
        self._brake = Brake(robot)
        self._stamp_ns: int | None = None
        self._length = 0

    def reset(self) -> None:
        """Forget all plans."""
        self.ensemble.reset()
        self._brake.release()
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

    def add(self, stamp_ns: int, chunk: np.ndarray) -> None:
        """Take the chunk [length, 7] of a plan. Raises ValueError when it is older than the newest one held."""
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            raise ValueError(f"a plan of {stamp_ns} ns after one of {self._stamp_ns} ns; reset() when time restarts")
        self.ensemble.add(self._step(stamp_ns), chunk)
        self._stamp_ns, self._length = stamp_ns, len(chunk)

    def covers(self, stamp_ns: int) -> bool:
        """Whether a chunk says what to do at `stamp_ns`."""
        steps = self._steps_since(stamp_ns)
        return steps is not None and 0 <= steps < self._length

    def command(self, stamp_ns: int, hand: np.ndarray) -> Command:
        """The command for the step at `stamp_ns`, when the hand was measured at the pose `hand` [7]; the gripper fully
        open or closed. Raises LookupError before the newest plan, and where none has said anything yet.
        """
        steps = self._steps_since(stamp_ns)
        if steps is None or steps < 0:
            raise LookupError(f"no plan covers {stamp_ns} ns (newest plan: {self._stamp_ns} ns, {self._length} steps)")
        if not self.covers(stamp_ns):
            return self.braked(stamp_ns, hand)
        step = self._step(stamp_ns)
        action = binarise_gripper(self.ensemble.action(step))
        self._brake.follow(step, action)
        return to_command(action, hand, self.robot)

    def braked(self, stamp_ns: int, hand: np.ndarray) -> Command:
        """The command of an arm that slows down and holds, whatever chunks say; see `command`."""
        return self._brake.command(self._step(stamp_ns), hand)

    def _steps_since(self, stamp_ns: int) -> int | None:
        """Control steps from the newest plan's observation to `stamp_ns`; None without one."""
        return None if self._stamp_ns is None else self._step(stamp_ns) - self._step(self._stamp_ns)

    def _step(self, stamp_ns: int) -> int:
        """Nearest control step, counted from time zero."""
        return nearest_step(stamp_ns, self.robot.period_ns)
