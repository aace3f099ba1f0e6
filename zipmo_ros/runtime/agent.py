"""The whole agent in one process; the ROS nodes are the same loop cut in two, around the same Horizon."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Planner, Policy
from zipmo_ros.contract.stamps import nearest_step
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.delay import NO_DELAY, Delay
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.judge import Judge
from zipmo_ros.runtime.safety import Safety


class Chunk(NamedTuple):
    """Actions [length, 7] for the steps from the observation at stamp_ns on, and the plan that they were made of; none
    of a plan that was refused.
    """

    stamp_ns: int
    plan: MotionPlan | None
    actions: np.ndarray


class RecedingHorizonAgent:
    """Plans every `horizon.replan_every` steps and executes the blend of the chunks that it holds.

    planner: None where the policy needs no plan. seed: of the plans' noise, which the stamp keys besides, so that a
    repeated episode repeats its plans, here as over ROS. delay: of the plans. While one is under way no other is begun,
    and then one of the newest observation: nothing queues. Where nothing says what to do the arm slows down and holds.
    Commands pass the safety layer, which begins every episode armed: an arm that it stops stands still until the
    episode ends. refuse: it holds as well where the planner says that it did not understand the goal.
    """

    def __init__(
        self, planner: Planner | None, policy: Policy, horizon: Horizon, seed: int, delay: Delay = NO_DELAY,
        refuse: bool = False,
    ):  # fmt: skip
        self.planner, self.policy, self.horizon, self.seed, self.delay = planner, policy, horizon, seed, delay
        self.judge = Judge(refuse)
        self.safety = Safety(horizon.robot)
        self._forget()

    def _forget(self) -> None:
        self._coming: tuple[int, Chunk] | None = None  # what is under way, and from when on it can be used (ns)
        self._newest: Chunk | None = None
        self._ages: list[int] = []  # of the newest plan at each step that it was used at, ns
        self._jumps: list[float] = []
        self._held_steps = 0

    def reset(self) -> None:
        """Begin an episode."""
        self._forget()
        self.judge.reset()
        self.safety.reset()
        self.horizon.reset()
        self.policy.reset()
        if self.planner is not None:
            self.planner.reset()

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        """Action float64 [7] in [-1, 1] for the observation. Raises ValueError without a measured pose of the hand."""
        stamp_ns, hand, robot = observation.stamp_ns, observation.hand, self.horizon.robot
        if hand is None:
            raise ValueError("an arm is told where to go from where its hand is, and no pose of it was measured")
        self._receive(stamp_ns)
        if self._coming is None and self._due(stamp_ns):
            self._coming = stamp_ns + self.delay.of(stamp_ns), self._plan(observation, goal)
            self._receive(stamp_ns)
        elif self.planner is not None and observation.images:
            self.planner.observe(observation)
        command = self._allowed(self._command(observation, goal, hand), observation)
        return to_action(command, hand, robot, robot.opening(observation.proprio))

    @property
    def refused(self) -> bool:
        """Whether it holds because it did not understand."""
        return self.judge.verdict is not None and self.judge.verdict.refused

    @property
    def facts(self) -> dict[str, Any]:
        """What the episode so far was like, by the names of evaluation.outcomes.Outcome."""
        return {
            "plan_age_ms": statistics.median(self._ages) / 1e6 if self._ages else None,
            "jump": statistics.fmean(self._jumps) if self._jumps else None,
            "held_steps": self._held_steps,
            "understood": self.judge.verdict and self.judge.verdict.understood,
            "refused": self.refused,
        }

    def _plan(self, observation: Observation, goal: Goal) -> Chunk:
        plan = None if self.planner is None else self.judge.judged(self.planner.plan(observation, goal, self.seed))
        if plan is not None and plan.refused:
            return Chunk(observation.stamp_ns, plan, np.empty((0, 7)))
        return Chunk(observation.stamp_ns, plan, self.policy.act(observation, goal, plan))

    def _receive(self, stamp_ns: int) -> None:
        """Take the chunk that was under way, if it has come by now."""
        if self._coming is None or self._coming[0] > stamp_ns:
            return
        chunk, self._coming = self._coming[1], None
        if not len(chunk.actions):
            self.horizon.hold(chunk.stamp_ns)
            self._newest = chunk
            return
        if not self._fits(chunk.actions):
            return
        self._note_jump(chunk, stamp_ns)
        self._take(chunk, stamp_ns)
        self._newest = chunk

    def _fits(self, actions: np.ndarray) -> bool:
        """Whether a chunk may be executed; the arm is stopped where not."""
        problem = self.safety.check_chunk(actions)
        if problem is not None:
            self.safety.trip("chunk", problem)
        return problem is None

    def _note_jump(self, chunk: Chunk, stamp_ns: int) -> None:
        """How far what the chunk means for now is from what the one before meant."""
        held = [] if self._newest is None or not len(self._newest.actions) else [self._newest]
        ages = [nearest_step(stamp_ns - one.stamp_ns, self.horizon.robot.period_ns) for one in (*held, chunk)]
        if held and max(ages) < len(chunk.actions):
            meant = [one.actions[age, :6] for one, age in zip((*held, chunk), ages, strict=True)]
            self._jumps.append(float(np.abs(meant[1] - meant[0]).max()))

    def _due(self, stamp_ns: int) -> bool:
        """Whether a plan is to be begun, when none is under way."""
        return self.horizon.due(stamp_ns)

    def _take(self, chunk: Chunk, stamp_ns: int) -> None:
        """Use the chunk, which has come just now."""
        self.horizon.add(chunk.stamp_ns, chunk.actions)

    def _command(self, observation: Observation, goal: Goal, hand: np.ndarray) -> Command | None:
        """What is wanted; None: nothing says."""
        command = self.horizon.command(observation.stamp_ns, hand)
        if command is None or self._newest is None:
            self._held_steps += 1
        else:
            self._ages.append(observation.stamp_ns - self._newest.stamp_ns)
        return command

    def _allowed(self, command: Command | None, observation: Observation) -> Command:
        robot = self.horizon.robot
        self.safety.gripper_seen(robot.opening(observation.proprio))
        joints = observation.proprio[: len(robot.joints)]
        allowed = self.safety.allow(command, observation.hand, joints, observation.stamp_ns)
        assert allowed is not None  # hand and gripper are known
        return allowed
