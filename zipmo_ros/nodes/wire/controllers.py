"""Messages and action goals of an arm's controllers, from setpoints.

Actions are of control_msgs, which no wheel has: it is imported where one is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from zipmo_ros.arms.setpoints import (
    ArmSetpoint,
    GripperGoal,
    GripperSetpoint,
    PoseSetpoint,
    TrajectorySetpoint,
    TwistSetpoint,
)
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.wire.messages import pose_message, to_stamp


def controller_message(setpoint: ArmSetpoint | GripperSetpoint, stamp_ns: int, robot: RobotSpec) -> Any:
    """The message of a setpoint; of an action's goal, one that shows it."""
    if isinstance(setpoint, PoseSetpoint):
        return pose_message(setpoint.pose, stamp_ns, robot)
    if isinstance(setpoint, TwistSetpoint):
        return twist_message(setpoint.twist, stamp_ns, robot)
    if isinstance(setpoint, TrajectorySetpoint):
        return trajectory_message(setpoint)
    if isinstance(setpoint, GripperGoal):
        positions = np.full(len(setpoint.joints), setpoint.position)
        return trajectory_message(TrajectorySetpoint(setpoint.joints, positions, 0.0))
    return Float64MultiArray(data=[float(value) for value in setpoint.values])


def twist_message(twist: np.ndarray, stamp_ns: int, robot: RobotSpec) -> TwistStamped:
    """Message of a twist [6] (m/s, rad/s) in the base frame."""
    message = TwistStamped()
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = robot.base_frame
    linear, angular = message.twist.linear, message.twist.angular
    linear.x, linear.y, linear.z, angular.x, angular.y, angular.z = map(float, twist)
    return message


def read_twist(message: TwistStamped, robot: RobotSpec) -> np.ndarray:
    """Twist float64 [6] (m/s, rad/s), finite, in the robot's base frame."""
    if message.header.frame_id != robot.base_frame:
        raise ValueError(f"its frame is '{message.header.frame_id}', expected the robot's base '{robot.base_frame}'")
    linear, angular = message.twist.linear, message.twist.angular
    twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
    if not np.isfinite(twist).all():
        raise ValueError(f"the twist is not finite: {twist}")
    return twist


def read_trajectory(message: JointTrajectory, joints: Sequence[str]) -> np.ndarray:
    """Positions float64 [n] of the joints in the last point of a trajectory, finite."""
    positions = message.points[-1].positions if message.points else ()
    if set(message.joint_names) != set(joints) or len(positions) != len(message.joint_names):
        raise ValueError(f"expected points of joints {', '.join(joints)}, got {', '.join(message.joint_names)}")
    given = dict(zip(message.joint_names, positions, strict=True))
    values = np.array([given[joint] for joint in joints], np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"positions are not finite: {values}")
    return values


def trajectory_message(setpoint: TrajectorySetpoint) -> JointTrajectory:
    """Message of one point, to begin at once: its stamp is zero, for a stamp of the past makes a point too late."""
    point = JointTrajectoryPoint(positions=[float(value) for value in setpoint.positions])
    point.time_from_start = Duration(seconds=setpoint.seconds).to_msg()
    return JointTrajectory(joint_names=list(setpoint.joints), points=[point])


class ActionKind(NamedTuple):
    """kind: class of the action. goal: its goal of a setpoint."""

    kind: Any
    goal: Callable[[Any], Any]


def action_of(interface: str) -> ActionKind:
    """The action of an interface. Raises ImportError, saying what is missing, where control_msgs is not there."""
    try:
        actions = importlib.import_module("control_msgs.action")
    except ImportError as error:
        raise ImportError(f"'{interface}' is an action of control_msgs (ros-<distribution>-control-msgs)") from error
    if interface == "follow_joint_trajectory":
        return ActionKind(actions.FollowJointTrajectory, lambda setpoint: _trajectory_goal(actions, setpoint))
    if interface == "gripper_command":
        return ActionKind(actions.GripperCommand, lambda goal: _gripper_goal(actions, goal))
    return ActionKind(actions.ParallelGripperCommand, lambda goal: _parallel_goal(actions, goal))


def _trajectory_goal(actions: Any, setpoint: TrajectorySetpoint) -> Any:
    goal = actions.FollowJointTrajectory.Goal()
    goal.trajectory = trajectory_message(setpoint)
    return goal


def _gripper_goal(actions: Any, wanted: GripperGoal) -> Any:
    goal = actions.GripperCommand.Goal()
    goal.command.position = float(wanted.position)
    goal.command.max_effort = float(wanted.effort)
    return goal


def _parallel_goal(actions: Any, wanted: GripperGoal) -> Any:
    goal = actions.ParallelGripperCommand.Goal()
    count = len(wanted.joints)
    goal.command.name = list(wanted.joints)
    goal.command.position = [float(wanted.position)] * count
    goal.command.effort = [float(wanted.effort)] * count
    return goal
