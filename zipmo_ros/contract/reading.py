"""Messages to arrays, by the fields of their types: of rclpy's messages, or of those that a bag holds.

What does not fit raises ValueError with what was expected and what came.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from zipmo_ros.contract.goal import goal_from_plain
from zipmo_ros.contract.plan import MotionPlan, PlanSpec, Verdict
from zipmo_ros.contract.pose import problem_of
from zipmo_ros.contract.robot import RobotSpec

_COLOURS = {"rgb8": slice(None), "bgr8": slice(None, None, -1)}  # how channels become RGB


def to_ns(stamp: Any) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def read_image(message: Any) -> np.ndarray:
    """Image uint8 RGB [H, W, 3] of its own size, of rgb8, bgr8 or a compressed one (JPEG, PNG)."""
    if hasattr(message, "format"):
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


def read_plan(message: Any, info: Any) -> MotionPlan:
    """The plan of an embedding and of the newest info."""
    try:
        told = json.loads(info.data)
        spec, goal = PlanSpec(**told["plan"]), goal_from_plain(told["goal"])
        verdict = Verdict(**told["verdict"]) if told.get("verdict") else None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the plan's info can't be read: {error!r}") from error
    embeddings = read_embedding(message, views=spec.shape[0])[None]
    understood = None if verdict is None else verdict.understood
    return MotionPlan(to_ns(message.header.stamp), goal, spec, embeddings, understood, verdict)


def read_embedding(message: Any, views: int) -> np.ndarray:
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


def read_proprio(message: Any, names: Sequence[str]) -> np.ndarray:
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


def read_pose(message: Any, robot: RobotSpec) -> np.ndarray:
    """Pose [7] of the hand, float64, in the robot's base frame."""
    if message.header.frame_id != robot.base_frame:
        raise ValueError(f"its frame is '{message.header.frame_id}', expected the robot's base '{robot.base_frame}'")
    position, orientation = message.pose.position, message.pose.orientation
    pose = np.array([position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w])
    if problem := problem_of(pose):
        raise ValueError(problem)
    return pose


def read_gripper(message: Any, robot: RobotSpec) -> float:
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
