"""Messages to arrays and back. What does not fit raises ValueError with what was expected and what came."""

from __future__ import annotations

import array
import math
import re
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from zipmo_ros.runtime.commands import CONTROL_PERIOD, Command

IMAGE_SIZE = 128  # what the models were trained on
JOINT_NAMES = (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1", "panda_finger_joint2")
GRIPPER_JOINT = "gripper_opening"  # metres between the fingers
BASE_FRAME = "world"
MAX_INSTRUCTION = 1000  # characters


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


def read_image(message: Image, size: int | None = IMAGE_SIZE) -> np.ndarray:
    """Image uint8 [H, W, 3]; `size`: the side it must have (None: any)."""
    if message.encoding != "rgb8":
        raise ValueError(f"encoding is '{message.encoding}', expected 'rgb8'")
    if size is not None and (message.height, message.width) != (size, size):
        raise ValueError(f"image is {message.height} x {message.width}, expected {size} x {size}")
    expected = message.height * message.width * 3
    if len(message.data) != expected or message.step != message.width * 3:
        raise ValueError(
            f"image holds {len(message.data)} bytes with rows of {message.step}, "
            f"expected {expected} with rows of {message.width * 3}"
        )
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


def embedding_message(z: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """32FC<C> message of a motion latent float32 [V, H, W, C], the views stacked along the height."""
    z = np.ascontiguousarray(z, np.float32)
    _, _, width, channels = z.shape
    return _fill(Image(), z.reshape(-1, width, channels), stamp_ns, frame_id, f"32FC{channels}")


def read_embedding(message: Image, views: int) -> np.ndarray:
    """Motion latent float32 [V, H, W, C], finite."""
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
    z = np.frombuffer(message.data, np.float32).reshape(views, -1, message.width, channels)
    bad = int(np.count_nonzero(~np.isfinite(z)))
    if bad:
        raise ValueError(f"embedding holds {bad} numbers that are not finite")
    return z


def joint_state_message(proprio: np.ndarray, stamp_ns: int) -> JointState:
    """Message of proprioception [9]: 7 arm joints (rad) and 2 finger positions (m)."""
    message = JointState(name=list(JOINT_NAMES), position=[float(value) for value in proprio])
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = BASE_FRAME
    return message


def read_proprio(message: JointState, names: Sequence[str] = JOINT_NAMES) -> np.ndarray:
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


def command_messages(command: Command, stamp_ns: int) -> tuple[TwistStamped, JointTrajectory]:
    """The two messages of a command: a twist in the base frame, and the gripper's opening to reach in one step."""
    twist = TwistStamped()
    twist.header.stamp = to_stamp(stamp_ns)
    twist.header.frame_id = BASE_FRAME
    for vector, values in ((twist.twist.linear, command.linear), (twist.twist.angular, command.angular)):
        vector.x, vector.y, vector.z = map(float, values)
    point = JointTrajectoryPoint(positions=[float(command.gripper)])
    point.time_from_start.nanosec = round(CONTROL_PERIOD * 1e9)
    gripper = JointTrajectory(header=twist.header, joint_names=[GRIPPER_JOINT], points=[point])
    return twist, gripper


def read_twist(message: TwistStamped) -> tuple[np.ndarray, np.ndarray]:
    """Linear m/s [3] and angular rad/s [3], finite."""
    linear, angular = (np.array([v.x, v.y, v.z]) for v in (message.twist.linear, message.twist.angular))
    if not (np.isfinite(linear).all() and np.isfinite(angular).all()):
        raise ValueError(f"twist is not finite: linear {linear}, angular {angular}")
    return linear, angular


def read_gripper(message: JointTrajectory) -> float:
    """Gripper opening in metres: the last point of the trajectory."""
    if list(message.joint_names) != [GRIPPER_JOINT] or not message.points or len(message.points[-1].positions) != 1:
        raise ValueError(
            f"expected points of the one joint '{GRIPPER_JOINT}', got joints {list(message.joint_names)} "
            f"with {len(message.points)} points"
        )
    opening = float(message.points[-1].positions[0])
    if not math.isfinite(opening):
        raise ValueError(f"gripper opening is not finite: {opening}")
    return opening


def instruction_problem(text: str) -> str | None:
    """Why a sentence can't be an instruction, or None."""
    if not text.strip():
        return "the instruction is empty"
    if len(text) > MAX_INSTRUCTION:
        return f"the instruction has {len(text)} characters, at most {MAX_INSTRUCTION} are taken"
    return None
