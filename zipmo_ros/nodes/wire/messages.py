"""Messages to arrays and back. What does not fit raises ValueError with what was expected and what came."""

from __future__ import annotations

import array
import json
import math
import re
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import goal_from_plain, goal_to_plain
from zipmo_ros.contract.plan import MotionPlan, PlanSpec
from zipmo_ros.contract.pose import problem_of
from zipmo_ros.contract.robot import RobotSpec

_COLOURS = {"rgb8": slice(None), "bgr8": slice(None, None, -1)}  # how channels become RGB


def to_ns(stamp: Time) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


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


def read_image(message: Image | CompressedImage) -> np.ndarray:
    """Image uint8 RGB [H, W, 3] of its own size, of rgb8, bgr8 or a compressed one (JPEG, PNG)."""
    if isinstance(message, CompressedImage):
        import cv2  # not needed where images come raw

        data = np.frombuffer(message.data, np.uint8)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if decoded is None:
            raise ValueError(
                f"a compressed image of format '{message.format}' with {len(message.data)} bytes is broken"
            )
        return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    if message.encoding not in _COLOURS:
        raise ValueError(f"encoding is '{message.encoding}', expected one of {', '.join(_COLOURS)}")
    expected = message.height * message.width * 3
    if not expected:
        raise ValueError(f"image is empty: {message.height} x {message.width}")
    if len(message.data) != expected or message.step != message.width * 3:
        raise ValueError(
            f"image holds {len(message.data)} bytes with rows of {message.step}, "
            f"expected {expected} with rows of {message.width * 3}"
        )
    pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
    return pixels[..., _COLOURS[message.encoding]]


def embedding_message(plan: MotionPlan, frame_id: str) -> Image:
    """32FC<C> message of a plan's embedding [V, H, W, C], the views stacked along the height."""
    embedding = np.ascontiguousarray(plan.embedding, np.float32)
    _, _, width, channels = embedding.shape
    return _fill(Image(), embedding.reshape(-1, width, channels), plan.stamp_ns, frame_id, f"32FC{channels}")


def plan_info(plan: MotionPlan, planner: str) -> String:
    """What an embedding does not say of itself: who planned, what the numbers are, their horizon, the goal."""
    return String(data=json.dumps({"planner": planner, "plan": plan.spec.to_plain(), "goal": goal_to_plain(plan.goal)}))


def read_plan(message: Image, info: String) -> MotionPlan:
    """The plan of an embedding and of the newest info."""
    try:
        told = json.loads(info.data)
        spec, goal = PlanSpec(**told["plan"]), goal_from_plain(told["goal"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the plan's info can't be read: {error!r}") from error
    return MotionPlan(to_ns(message.header.stamp), goal, spec, read_embedding(message, views=spec.shape[0])[None])


def read_embedding(message: Image, views: int) -> np.ndarray:
    """Embedding float32 [V, H, W, C]."""
    match = re.fullmatch(r"32FC([1-9]\d*)", message.encoding)
    if match is None:
        raise ValueError(f"encoding is '{message.encoding}', expected '32FC<channels>'")
    if message.is_bigendian:
        raise ValueError("data is big-endian, expected little-endian")
    channels = int(match[1])
    if message.height == 0 or message.height % views:
        raise ValueError(f"height is {message.height}, expected a multiple of {views} (views stacked along the height)")
    expected = message.height * message.width * channels * 4
    if len(message.data) != expected:
        raise ValueError(f"embedding holds {len(message.data)} bytes, expected {expected}")
    return np.frombuffer(message.data, np.float32).reshape(views, -1, message.width, channels)


def joint_state_message(proprio: np.ndarray, stamp_ns: int, robot: RobotSpec) -> JointState:
    """Message of proprioception, see RobotSpec."""
    message = JointState(name=list(robot.proprio_names), position=[float(value) for value in proprio])
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = robot.base_frame
    return message


def read_proprio(message: JointState, names: Sequence[str]) -> np.ndarray:
    """Proprioception float32 [len(names)], found by joint name, in the order of `names`."""
    if len(message.name) != len(message.position):
        raise ValueError(f"{len(message.name)} joint names with {len(message.position)} positions")
    positions = dict(zip(message.name, message.position, strict=True))
    missing = [name for name in names if name not in positions]
    if missing:
        raise ValueError(f"joints {', '.join(missing)} are missing; it has {', '.join(message.name) or 'none'}")
    proprio = np.array([positions[name] for name in names], np.float32)
    if not np.isfinite(proprio).all():
        raise ValueError(f"positions are not finite: {proprio}")
    return proprio


def pose_message(pose: np.ndarray, stamp_ns: int, robot: RobotSpec) -> PoseStamped:
    """Message of a pose [7] of the hand in the base frame."""
    message = PoseStamped()
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = robot.base_frame
    position, orientation = message.pose.position, message.pose.orientation
    position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w = map(float, pose)
    return message


def read_pose(message: PoseStamped, robot: RobotSpec) -> np.ndarray:
    """Pose [7] of the hand, float64, in the robot's base frame."""
    if message.header.frame_id != robot.base_frame:
        raise ValueError(f"its frame is '{message.header.frame_id}', expected the robot's base '{robot.base_frame}'")
    position, orientation = message.pose.position, message.pose.orientation
    pose = np.array([position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w])
    if problem := problem_of(pose):
        raise ValueError(problem)
    return pose


def command_messages(command: Command, stamp_ns: int, robot: RobotSpec) -> tuple[PoseStamped, JointTrajectory]:
    """The two messages of a command: where the hand is to go, and the gripper's opening to reach in one step."""
    pose = pose_message(command.pose, stamp_ns, robot)
    point = JointTrajectoryPoint(positions=[float(command.gripper)])
    point.time_from_start.nanosec = robot.period_ns
    gripper = JointTrajectory(header=pose.header, joint_names=[robot.gripper_joint], points=[point])
    return pose, gripper


def read_gripper(message: JointTrajectory, robot: RobotSpec) -> float:
    """Gripper opening in metres: the last point of the trajectory."""
    if (
        list(message.joint_names) != [robot.gripper_joint]
        or not message.points
        or len(message.points[-1].positions) != 1
    ):
        raise ValueError(
            f"expected points of the one joint '{robot.gripper_joint}', got joints {list(message.joint_names)} "
            f"with {len(message.points)} points"
        )
    opening = float(message.points[-1].positions[0])
    if not math.isfinite(opening):
        raise ValueError(f"gripper opening is not finite: {opening}")
    return opening
