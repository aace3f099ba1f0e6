"""Other ways to execute plans that come late than to blend time-stamped chunks, by execution=..."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.runtime.agent import Chunk, RecedingHorizonAgent


class SynchronousAgent(RecedingHorizonAgent):
    """Stop and go: the arm slows down and holds while a plan is under way, then executes replan_every steps of it.

    As the arm stood still meanwhile, a chunk begins when it comes.
    """

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        self.horizon.add(stamp_ns, chunk.actions)

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command | None:
        if self._coming is None:
            return super()._command(observation, goal, hand)
        self._held_steps += 1
        return None


class ReactingAgent(RecedingHorizonAgent):
    """The policy acts at every step, on the newest proprioception and the newest plan that has come.

    For policies that take plans, and are quick: only the plans are late.
    """

    def _due(self, stamp_ns: int) -> bool:
        period_ns = self.horizon.replan_every * self.horizon.robot.period_ns
        return self._newest is None or stamp_ns - self._newest.stamp_ns >= period_ns

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        """It is made anew at every step."""

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command | None:
        if self._newest is not None:
            actions = self.policy.act(observation, goal, self._newest.plan)
            self.horizon.add(observation.stamp_ns, actions)
        return super()._command(observation, goal, hand)


class AnchoredAgent(RecedingHorizonAgent):
    """Goals of the hand stay where the chunk meant them: from the hand at its observation on, not from the hand now.

    Entries of a late chunk take for granted that those before them were executed, but those of an older chunk were. The
    difference is so put right. Where the hand would have come to by each entry is foretold by the response of the arm
    that the actions were made for.
    """

    def _forget(self) -> None:
        super()._forget()
        self._reference: np.ndarray | None = None  # what goals are kept as offsets from, so that they can be blended

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        robot = self.horizon.robot
        reference = self._reference = chunk.hand if self._reference is None else self._reference
        hand, moving, goals = chunk.hand, chunk.moving, []
        for action in chunk.actions:
            offset = action[:6] * robot.offset_scale
            goals.append(np.append(offset_between(reference, moved(hand, offset)) / robot.offset_scale, action[6]))
            moving = robot.response.step(moving, offset, robot.period_s)
            hand = moved(hand, moving)
        self.horizon.add(chunk.stamp_ns, np.stack(goals))

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command | None:
        command = super()._command(observation, goal, hand if self._reference is None else self._reference)
        if command is None:
            return None
        scale = self.horizon.robot.offset_scale
        offset = np.clip(offset_between(hand, command.pose), -scale, scale)  # as far off as an action can mean
        return Command(moved(hand, offset), command.gripper)
