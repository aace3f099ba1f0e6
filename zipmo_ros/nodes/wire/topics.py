"""Names, types and QoS of what travels between the nodes (all names are relative and remappable)."""

from __future__ import annotations

from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

JOINT_STATES = "joint_states"
CURRENT_POSE = "current_pose"
INSTRUCTION = "instruction"
INSTRUCTION_IN_USE = "instruction_in_use"  # below the name of the node that follows it
MOTION_EMBEDDING = "motion_embedding"
PLAN_INFO = "motion_embedding/info"
OVERLAY = "motion_plan/overlay"
POSE = "command/pose"
GRIPPER = "command/gripper"
EPISODE = "episode"
EMERGENCY_STOP = "emergency_stop"
DEADMAN = "deadman"
DIAGNOSTICS = "/diagnostics"
CLOCK = "/clock"

TRANSPORTS = ("raw", "compressed")  # of images: sensor_msgs/Image or CompressedImage


def image_topic(view: str, transport: str = "raw") -> str:
    """Topic of a camera."""
    return f"{view}/image_raw" if transport == "raw" else f"{view}/image_raw/{transport}"


def _profile(reliability: ReliabilityPolicy, durability: DurabilityPolicy, **more: Any) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability, durability=durability, **more)


SENSOR = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
COMMAND = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
LATCHED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
# The planner promises a plan a second. The policy asks for no deadline of its own, so that plans from a bag or from a
# planner that promises nothing are heard too; its watchdog on a steady clock is the stricter guard.
PLAN_OFFERED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, deadline=Duration(seconds=1))
PLAN_REQUESTED = COMMAND
