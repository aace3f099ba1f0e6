"""A horizon whose goals stay where the chunk meant them."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.runtime.history import History
from zipmo_ros.runtime.horizon import Ensemble, Horizon

FELT_NS = 5 * 10**9  # past of the hand that is kept: a plan is not that old


class AnchoredHorizon(Horizon):
    """Goals are offsets from where the chunk would have taken the hand by then, not from where the hand is.

    The entries of a late chunk take for granted that those before them were executed, but those of an older chunk were:
    what the late one would have put right in the steps that it missed is so put right afterwards. Where the hand would
    have come to by each entry is foretold from its pose at the observation, by the response of the arm that the actions
    were made for.
    """

    def __init__(self, ensemble: Ensemble, replan_every: int, robot: RobotSpec):
        super().__init__(ensemble, replan_every, robot)
        self._hands: History[np.ndarray] = History(FELT_NS)
        self._reference: np.ndarray | None = None  # what goals are kept as offsets from, so that they can be blended
        self._afloat: list[tuple[int, np.ndarray]] = []  # chunks that are still to be anchored

    def reset(self) -> None:
        """Forget all plans; not where the hand was."""
        super().reset()
        self._reference = None
        self._afloat.clear()

    def feel(self, stamp_ns: int, hand: np.ndarray) -> None:
        """See Horizon."""
        late_ns = 0 if self._hands.newest_ns is None else self._hands.newest_ns - stamp_ns
        if 0 < late_ns < self.robot.period_ns:
            return  # joints and poses with clocks of their own overtake each other: no reason to forget the past
        if late_ns > 0:
            self._hands.clear()
        self._hands.add(stamp_ns, hand)

    def add(self, stamp_ns: int, chunk: np.ndarray) -> None:
        """See Horizon."""
        super().add(stamp_ns, chunk)
        self._afloat.append((stamp_ns, chunk))

    def command(self, stamp_ns: int, hand: np.ndarray) -> Command | None:
        """See Horizon. The goal is at most as far from the hand as an action can mean."""
        self.feel(stamp_ns, hand)
        for chunk_ns, chunk in self._afloat:
            self.ensemble.add(self._step(chunk_ns), self._anchored(chunk_ns, chunk))
        self._afloat.clear()
        command = None if self._reference is None else super().command(stamp_ns, self._reference)
        if command is None:
            return None
        scale = self.robot.offset_scale
        return Command(moved(hand, np.clip(offset_between(hand, command.pose), -scale, scale)), command.gripper)

    def _anchored(self, stamp_ns: int, chunk: np.ndarray) -> np.ndarray:
        """The chunk [length, 7] with offsets from the reference in place of those from the hand."""
        hand, before = self._hands.nearest(stamp_ns), self._hands.nearest(stamp_ns - self.robot.period_ns)
        assert hand is not None  # it has just been felt
        assert before is not None
        reference = self._reference = hand if self._reference is None else self._reference
        robot, moving, goals = self.robot, offset_between(before, hand), []
        for action in chunk:
            offset = action[:6] * robot.offset_scale
            goals.append(np.append(offset_between(reference, moved(hand, offset)) / robot.offset_scale, action[6]))
            moving = robot.response.step(moving, offset, robot.period_s)
            hand = moved(hand, moving)
        return np.stack(goals)
