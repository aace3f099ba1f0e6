"""The whole agent in one process; the ROS nodes are the same loop cut in two, around the same Horizon."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Planner, Policy
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.safety import Safety


class RecedingHorizonAgent:
    """Plans every `horizon.replan_every` steps and executes the blend of the chunks that it holds.

    planner: None where the policy needs no plan. seed: of the plans' noise, which the stamp keys besides, so that a
    repeated episode repeats its plans, here as over ROS. Commands pass the safety layer, which begins every episode
    armed: an arm that it stops stands still until the episode ends.
    """

    def __init__(self, planner: Planner | None, policy: Policy, horizon: Horizon, seed: int):
        self.planner, self.policy, self.horizon, self.seed = planner, policy, horizon, seed
        self.safety = Safety(horizon.robot)

    def reset(self) -> None:
        """Begin an episode."""
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
        if self.horizon.due(stamp_ns):
            plan = None if self.planner is None else self.planner.plan(observation, goal, self.seed)
            self._add(stamp_ns, self.policy.act(observation, goal, plan))
        elif self.planner is not None and observation.images:
            self.planner.observe(observation)
        return to_action(self._command(observation, hand), hand, robot, robot.opening(observation.proprio))

    def _add(self, stamp_ns: int, chunk: np.ndarray) -> None:
        if (problem := self.safety.check_chunk(chunk)) is not None:
            self.safety.trip("chunk", problem)
        else:
            self.horizon.add(stamp_ns, chunk)

    def _command(self, observation: Observation, hand: np.ndarray) -> Command:
        robot = self.horizon.robot
        self.safety.gripper_seen(robot.opening(observation.proprio))
        held = self.horizon.stamp_ns is not None
        command = self.horizon.command(observation.stamp_ns, hand) if held else None
        joints = observation.proprio[: len(robot.joints)]
        allowed = self.safety.allow(command, hand, joints, observation.stamp_ns)
        assert allowed is not None  # hand and gripper are known
        return allowed
