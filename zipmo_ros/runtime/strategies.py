"""Other ways to execute plans that come late than to blend time-stamped chunks, by execution=..."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
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
        if self._newest is not None and len(self._newest.actions):
            actions = self.policy.act(observation, goal, self._newest.plan)
            if self._fits(actions):
                self.horizon.add(observation.stamp_ns, actions)
        return super()._command(observation, goal, hand)
