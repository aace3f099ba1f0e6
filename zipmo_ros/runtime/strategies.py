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

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command:
        if self._coming is None:
            return super()._command(observation, goal, hand)
        self._held_steps += 1
        return self.horizon.braked(observation.stamp_ns, hand)


class ReactingAgent(RecedingHorizonAgent):
    """The policy acts at every step, on the newest proprioception and the newest plan that has come.

    For policies that take plans, and are quick: only the plans are late.
    """

    def _due(self, stamp_ns: int) -> bool:
        horizon = self.horizon
        return self._newest is None or stamp_ns - self._newest.stamp_ns >= horizon.replan_every * horizon.robot.period_ns

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        """The chunk is made anew at every step."""

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command:
        if self._newest is None:
            raise LookupError("no plan has come yet")
        self.horizon.add(observation.stamp_ns, self.policy.act(observation, goal, self._newest.plan))
        return super()._command(observation, goal, hand)


class AnchoredAgent(RecedingHorizonAgent):
    """Goals of the hand stay where the chunk meant them, from the hand at its observation on, not from the hand now.

    What a late chunk would have put right in the steps that it missed is so put right afterwards. Where the hand would
    have come to by each step is foretold by the response of the arm that the actions were made for.
    """

    def _forget(self) -> None:
        super()._forget()
        self._last: Command | None = None
        self._reference: np.ndarray | None = None

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        robot = self.horizon.robot
        self._reference = chunk.hand if self._reference is None else self._reference
        decay = float(np.exp(-robot.period_s / LAG_S))
        hand, step, rows = chunk.hand, chunk.moving, []
        for action in chunk.actions:
            offset = action[:6] * robot.offset_scale
            rows.append(np.append(offset_between(self._reference, moved(hand, offset)) / robot.offset_scale, action[6]))
            step = decay * step + (1 - decay) * GAIN * robot.period_s * offset
            hand = moved(hand, step)
        self.horizon.add(chunk.stamp_ns, np.stack(rows))

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command:
        if self.horizon.covers(observation.stamp_ns):
            self._last = super()._command(observation, goal, self._reference)
        elif self._last is None:
            raise LookupError("nothing yet")
        else:
            self._held_steps += 1
        return self._last


GAIN, LAG_S = 4.9, 0.07
