"""Arrays to messages; the way back, which bags go too, is contract/reading.py's."""

from __future__ import annotations

import array
import json
from dataclasses import asdict

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import goal_to_plain
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.reading import (  # noqa: F401
    read_embedding,
    read_gripper,
    read_image,
    read_plan,
    read_pose,
    read_proprio,
    to_ns,
)
from zipmo_ros.contract.robot import RobotSpec


def to_stamp(stamp_ns: int) -> Time:
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    return Time(sec=seconds, nanosec=nanoseconds)


def _fill(message: Image, data: np.ndarray, stamp_ns: int, frame_id: str, encoding: str) -> Image:
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    message.height, message.width = data.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = data.nbytes // data.shape[0]
    message.data = array.array("B", data.tobytes())
    return message


def image_message(image: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """rgb8 message of an image uint8 [H, W, 3]."""
    return _fill(Image(), image, stamp_ns, frame_id, "rgb8")


def embedding_message(plan: MotionPlan, frame_id: str) -> Image:
    """32FC<C> message of a plan's embedding [V, H, W, C], the views stacked along the height."""
    embedding = np.ascontiguousarray(plan.embedding, np.float32)
    _, _, width, channels = embedding.shape
    return _fill(Image(), embedding.reshape(-1, width, channels), plan.stamp_ns, frame_id, f"32FC{channels}")


def plan_info(plan: MotionPlan, planner: str) -> String:
    """What an embedding does not say of itself: who planned, what the numbers are, their horizon, the goal, and whether
    that was understood.
    """
    told = {"planner": planner, "plan": plan.spec.to_plain(), "goal": goal_to_plain(plan.goal)}
    return String(data=json.dumps({**told, "verdict": plan.verdict and asdict(plan.verdict)}))


def joint_state_message(proprio: np.ndarray, stamp_ns: int, robot: RobotSpec) -> JointState:
    """Message of proprioception, see RobotSpec."""
    message = JointState(name=list(robot.proprio_names), position=[float(value) for value in proprio])
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = robot.base_frame
    return message


def pose_message(pose: np.ndarray, stamp_ns: int, robot: RobotSpec) -> PoseStamped:
    """Message of a pose [7] of the hand in the base frame."""
    message = PoseStamped()
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = robot.base_frame
    position, orientation = message.pose.position, message.pose.orientation
    position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w = map(float, pose)
    return message


def command_messages(command: Command, stamp_ns: int, robot: RobotSpec) -> tuple[PoseStamped, JointTrajectory]:
    """The two messages of a command: where the hand is to go, and the gripper's opening to reach in one step."""
    pose = pose_message(command.pose, stamp_ns, robot)
    point = JointTrajectoryPoint(positions=[float(command.gripper)])
    point.time_from_start.nanosec = robot.period_ns
    gripper = JointTrajectory(header=pose.header, joint_names=[robot.gripper_joint], points=[point])
    return pose, gripper
