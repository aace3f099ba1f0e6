"""What a simulated arm is driven by: a policy's commands, or, as the controller of an arm's node, what that sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.nodes.wire.controllers import read_trajectory, read_twist


class CommandInputs:
    """Subscribes to both halves of a command and hands each to take(topics.POSE or GRIPPER, stamp_ns, pose or opening).

    interface: "" for command/pose and command/gripper; else the kind of the controller that the simulated arm is, on
    the robot's topics. It moves at a twist when its goal is kept ahead by the twist over its gain.
    hand: stamp_ns -> pose [7] of the hand at that moment, None at others.
    """

    def __init__(
        self,
        node: ManagedNode,
        robot: RobotSpec,
        interface: str,
        take: Callable[[str, int, Any], None],
        hand: Callable[[int], np.ndarray | None],
    ):
        self._robot, self._take, self._hand = robot, take, hand
        if not interface:
            node.subscribe(PoseStamped, topics.POSE, self._on_pose, topics.COMMAND)
            node.subscribe(JointTrajectory, topics.GRIPPER, self._on_gripper, topics.COMMAND)
            return
        arm = robot.arm
        assert arm is not None  # the suites' robot says what it listens to
        if interface == "pose":
            node.subscribe(PoseStamped, arm.topic("pose"), self._on_pose, topics.COMMAND)
        else:
            node.subscribe(TwistStamped, arm.topic("twist"), self._on_twist, topics.COMMAND)
        gripper = arm.gripper.interfaces["joint_trajectory"]
        node.subscribe(JointTrajectory, gripper, self._on_fingers, topics.COMMAND)

    def _on_pose(self, message: PoseStamped) -> None:
        self._take(topics.POSE, messages.to_ns(message.header.stamp), messages.read_pose(message, self._robot))

    def _on_twist(self, message: TwistStamped) -> None:
        stamp_ns = messages.to_ns(message.header.stamp)
        hand = self._hand(stamp_ns)
        if hand is not None:
            offset = read_twist(message, self._robot) / self._robot.response.gain
            self._take(topics.POSE, stamp_ns, moved(hand, offset))

    def _on_gripper(self, message: JointTrajectory) -> None:
        self._take(topics.GRIPPER, messages.to_ns(message.header.stamp), messages.read_gripper(message, self._robot))

    def _on_fingers(self, message: JointTrajectory) -> None:
        assert self._robot.arm is not None
        gripper = self._robot.arm.gripper
        position = float(read_trajectory(message, gripper.joints)[0])
        opening = self._robot.gripper_open_m * gripper.fraction(position)
        self._take(topics.GRIPPER, messages.to_ns(message.header.stamp), opening)
