"""A horizon whose goals stay where the chunk meant them."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.runtime.horizon import Horizon


class AnchoredHorizon(Horizon):
    """Goals are offsets from where the chunk would have taken the hand by then, not from where the hand is.

    The entries of a late chunk take for granted that those before them were executed, but those of an older chunk were:
    what the late one would have put right in the steps that it missed is so put right afterwards. Where the hand would
    have come to by each entry is foretold from its pose at the observation, by the response of the arm that the actions
    were made for.
    """

    _reference: np.ndarray | None = None  # what goals are kept as offsets from, so that they can be blended

    def reset(self) -> None:
        """Forget all plans."""
        super().reset()
        self._reference = None

    def add(
        self, stamp_ns: int, chunk: np.ndarray, hand: np.ndarray | None = None, moving: np.ndarray | None = None
    ) -> None:
        """See Horizon. Raises ValueError without the pose of the hand."""
        if hand is None:
            raise ValueError("where a chunk would take the hand can't be foretold without its pose at the observation")
        reference = self._reference = hand if self._reference is None else self._reference
        robot, goals = self.robot, []
        moving = np.zeros(6) if moving is None else moving
        for action in chunk:
            offset = action[:6] * robot.offset_scale
            goals.append(np.append(offset_between(reference, moved(hand, offset)) / robot.offset_scale, action[6]))
            moving = robot.response.step(moving, offset, robot.period_s)
            hand = moved(hand, moving)
        super().add(stamp_ns, np.stack(goals))

    def command(self, stamp_ns: int, hand: np.ndarray) -> Command | None:
        """See Horizon. The goal is at most as far from the hand as an action can mean."""
        command = None if self._reference is None else super().command(stamp_ns, self._reference)
        if command is None:
            return None
        scale = self.robot.offset_scale
        return Command(moved(hand, np.clip(offset_between(hand, command.pose), -scale, scale)), command.gripper)
