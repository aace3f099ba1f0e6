"""What a controller is sent, as plain data; nodes/wire makes messages of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PoseSetpoint:
    """Where the hand is to be, [7] in the base frame."""

    pose: np.ndarray


@dataclass(frozen=True)
class TwistSetpoint:
    """How the hand is to move: float64 [6] (m/s, rad/s), base axes."""

    twist: np.ndarray


@dataclass(frozen=True)
class TrajectorySetpoint:
    """Where the joints are to be in so many seconds, float64 [n] (rad, or m of a gripper)."""

    joints: tuple[str, ...]
    positions: np.ndarray
    seconds: float


@dataclass(frozen=True)
class ArraySetpoint:
    """Values of the joints, float64 [n], in the controller's order."""

    values: np.ndarray


@dataclass(frozen=True)
class GripperGoal:
    """Of a gripper's action: where its joints are to be, and what they may press with."""

    joints: tuple[str, ...]
    position: float
    effort: float


ArmSetpoint = PoseSetpoint | TwistSetpoint | TrajectorySetpoint | ArraySetpoint
GripperSetpoint = TrajectorySetpoint | ArraySetpoint | GripperGoal
