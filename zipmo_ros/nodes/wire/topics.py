"""Names and QoS of what travels between the nodes."""

from __future__ import annotations

from typing import Any

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from zipmo_ros.contract.topics import (  # noqa: F401  (the names stand there, where bags know them too)
    CLOCK,
    CURRENT_POSE,
    DEADMAN,
    DIAGNOSTICS,
    EMERGENCY_STOP,
    EPISODE,
    GRIPPER,
    INSTRUCTION,
    INSTRUCTION_IN_USE,
    INSTRUCTION_INFO,
    JOINT_STATES,
    MOTION_EMBEDDING,
    OVERLAY,
    PLAN_INFO,
    POSE,
    STOP,
    TRACKS,
    TRANSPORTS,
    camera_info_topic,
    image_topic,
)


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
OFFERED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, depth=_AGAIN)
PLAN_REQUESTED = COMMAND
