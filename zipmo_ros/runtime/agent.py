"""The whole agent in one process; the ROS nodes are the same loop cut in two, around the same Horizon."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.pose import offset_between
from zipmo_ros.contract.protocols import Planner, Policy
from zipmo_ros.contract.stamps import nearest_step
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.delay import NO_DELAY, Delay
from zipmo_ros.runtime.horizon import Horizon


class Chunk(NamedTuple):
    """Actions [length, 7] for the steps from the observation at stamp_ns on, and the plan that they were made of.

    hand: its pose [7] at the observation. moving: the offset [6] that it had moved by in the step before.
    """

    stamp_ns: int
    plan: MotionPlan | None
    actions: np.ndarray
    hand: np.ndarray
    moving: np.ndarray


class RecedingHorizonAgent:
    """Plans every `horizon.replan_every` steps and executes the blend of the chunks that it holds.

    planner: None where the policy needs no plan. seed: of the plans' noise, which the stamp keys besides, so that a
    repeated episode repeats its plans, here as over ROS. delay: of the plans. While one is under way no other is begun,
    and then one of the newest observation: nothing queues. Until the first can be used the arm holds.
    """

    def __init__(
        self, planner: Planner | None, policy: Policy, horizon: Horizon, seed: int, delay: Delay = NO_DELAY
    ):  # fmt: skip
        self.planner, self.policy, self.horizon, self.seed, self.delay = planner, policy, horizon, seed, delay
        self._forget()

    def reset(self) -> None:
        """Begin an episode."""
        self._forget()
        self.horizon.reset()
        self.policy.reset()
        if self.planner is not None:
            self.planner.reset()

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        """Action float64 [7] in [-1, 1] for the observation. Raises ValueError without a measured pose of the hand."""
        stamp_ns, hand = observation.stamp_ns, observation.hand
        if hand is None:
            raise ValueError("an arm is told where to go from where its hand is, and no pose of it was measured")
        self._before = hand if self._before is None else self._before
        self._receive(stamp_ns)
        if self._coming is None and self._due(stamp_ns):
            plan = None if self.planner is None else self.planner.plan(observation, goal, self.seed)
            actions = self.policy.act(observation, goal, plan)
            chunk = Chunk(stamp_ns, plan, actions, hand, offset_between(self._before, hand))
            self._coming = stamp_ns + self.delay.of(stamp_ns), chunk
            self._receive(stamp_ns)
        elif self.planner is not None and observation.images:
            self.planner.observe(observation)
        try:
            command = self._command(observation, goal, hand)
        except LookupError:  # nothing has come yet that says what to do
            command = self._wait(observation, hand)
        self._before = hand
        return to_action(command, hand, self.horizon.robot)

    @property
    def facts(self) -> dict[str, Any]:
        """What the episode so far was like, by the names of evaluation.outcomes.Outcome."""
        return {
            "plan_age_ms": statistics.median(self._ages) / 1e6 if self._ages else None,
            "jump": statistics.fmean(self._jumps) if self._jumps else None,
            "held_steps": self._held_steps,
        }

    def _forget(self) -> None:
        self._coming: tuple[int, Chunk] | None = None  # what is under way, and from when on it can be used (ns)
        self._newest: Chunk | None = None
        self._before: np.ndarray | None = None  # where the hand was a step ago
        self._start: np.ndarray | None = None  # where the hand is kept until there is something to do
        self._ages: list[int] = []  # of the newest plan at each step that it was used at, ns
        self._jumps: list[float] = []
        self._held_steps = 0

    def _receive(self, stamp_ns: int) -> None:
        if self._coming is not None and self._coming[0] <= stamp_ns:
            chunk, self._coming = self._coming[1], None
            self._take(chunk, stamp_ns)
            self._newest = chunk

    def _due(self, stamp_ns: int) -> bool:
        """Whether a plan is to be begun."""
        return self.horizon.due(stamp_ns)

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        """Use the chunk from now on."""
        if self._newest is not None:
            before, after = self._meant(self._newest, stamp_ns), self._meant(chunk, stamp_ns)
            if before is not None and after is not None:
                self._jumps.append(float(np.abs(after - before).max()))
        self.horizon.add(chunk.stamp_ns, chunk.actions)

    def _meant(self, chunk: Chunk, stamp_ns: int) -> np.ndarray | None:
        """The offset [6] that a chunk means for the step at `stamp_ns`; None past its end."""
        age = nearest_step(stamp_ns - chunk.stamp_ns, self.horizon.robot.period_ns)
        return chunk.actions[age, :6] if age < len(chunk.actions) else None

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command:
        """What the strategy executes. Raises LookupError where there never was anything to execute."""
        stamp_ns = observation.stamp_ns
        command = self.horizon.command(stamp_ns, hand)
        if self._newest is not None and self.horizon.covers(stamp_ns):
            self._ages.append(stamp_ns - self._newest.stamp_ns)
        else:
            self._held_steps += 1
        return command

    def _wait(self, observation: Observation, hand: np.ndarray) -> Command:
        """Keep the hand where it is at first, and the gripper as it is seen to be."""
        self._held_steps += 1
        self._start = hand if self._start is None else self._start
        fingers = observation.proprio[len(self.horizon.robot.joints) :]
        return Command(self._start, float(np.abs(fingers).sum()))
