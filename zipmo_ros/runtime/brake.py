"""How an arm comes to rest when nothing says any more where it is to go."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.runtime.commands import to_command

SLOWING_S = 0.2  # from an action of 1 to rest


class Brake:
    """Goes on from the last action that was executed, ever less of it, then keeps the hand where it has come to.

    The direction stays; no entry of the offset changes by more than period / SLOWING_S of a full action a step. The
    gripper stays as it was told. What counts is the time since that action, not how often the brake was asked.
    """

    def __init__(self, robot: RobotSpec):
        self._robot = robot
        self.release()

    def release(self) -> None:
        """Forget what was executed: an episode begins."""
        self._executed: tuple[int, np.ndarray] | None = None
        self._rest: np.ndarray | None = None

    def follow(self, step: int, action: np.ndarray) -> None:
        """Take note of the action [7] that is executed at `step`."""
        self._executed, self._rest = (step, action), None

    def command(self, step: int, hand: np.ndarray) -> Command:
        """The command at `step`, when the hand was measured at the pose `hand` [7].

        Raises LookupError where no action has been executed: who never moved has nothing to go on from.
        """
        if self._executed is None:
            raise LookupError("no plan has come in time yet to be executed")
        since, action = self._executed
        speed = float(np.abs(action[:6]).max())
        left = max(0.0, speed - (step - since) * self._robot.period_s / SLOWING_S)
        if left == 0.0:
            self._rest = hand if self._rest is None else self._rest
            return to_command(np.append(np.zeros(6), action[6]), self._rest, self._robot)
        return to_command(np.append(action[:6] * (left / speed), action[6]), hand, self._robot)
