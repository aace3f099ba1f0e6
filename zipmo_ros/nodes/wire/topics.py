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
INSTRUCTION_INFO = "instruction_in_use/info"  # the same, with when it was said
OVERLAY = "motion_plan/overlay"
TRACKS = "motion_plan/tracks"
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


def camera_info_topic(view: str) -> str:
    """Topic of a camera's calibration."""
    return f"{view}/camera_info"


def _profile(reliability: ReliabilityPolicy, durability: DurabilityPolicy, depth: int = 1, **more: Any) -> QoSProfile:
    history = HistoryPolicy.KEEP_LAST
    return QoSProfile(history=history, depth=depth, reliability=reliability, durability=durability, **more)


SENSOR = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
# Of several publishers, each of which tells a part: with a depth of 1 the last one would push out the others.
SENSOR_PARTS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
COMMAND = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
LATCHED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
# The planner promises a plan a second. The policy asks for no deadline of its own, so that plans from a bag or from a
# planner that promises nothing are heard too; its watchdog on a steady clock is the stricter guard.
# A publisher's history is what it can send again to a reader that missed something, as happens whenever an overlay has
# filled the shared memory of the middleware: with one alone, plans and overlays got lost for good to a recorder.
_AGAIN = 10
PLAN_OFFERED = _profile(
    ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, depth=_AGAIN, deadline=Duration(seconds=1)
)
SHOWN = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, depth=_AGAIN)
PLAN_REQUESTED = COMMAND
