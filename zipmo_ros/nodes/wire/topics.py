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
    JOINT_STATES,
    MOTION_EMBEDDING,
    OVERLAY,
    PLAN_INFO,
    POSE,
    TRANSPORTS,
    image_topic,
)


def _profile(reliability: ReliabilityPolicy, durability: DurabilityPolicy, **more: Any) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability, durability=durability, **more)


SENSOR = _profile(ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
COMMAND = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
LATCHED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
# The planner promises a plan a second. The policy asks for no deadline of its own, so that plans from a bag or from a
# planner that promises nothing are heard too; its watchdog on a steady clock is the stricter guard.
PLAN_OFFERED = _profile(ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE, deadline=Duration(seconds=1))
PLAN_REQUESTED = COMMAND
