"""What a robot's hand may do, at most. Kept by runtime/safety.py, whatever a model wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MotionLimits:
    """Largest velocity, acceleration and jerk, each the length of a vector: m or rad, over s, s2 and s3."""

    velocity: float
    acceleration: float
    jerk: float

    def __post_init__(self) -> None:
        if not all(0 < limit < np.inf for limit in (self.velocity, self.acceleration, self.jerk)):
            raise ValueError(f"limits of motion must be positive and finite, got {self}")

    def change(self, seconds: float) -> float:
        """How far the velocity can get from a steady one to another steady one within `seconds`."""
        ramp = min(self.acceleration / self.jerk, seconds / 2)  # s that the acceleration takes to come, and to go
        return self.jerk * ramp * (seconds - ramp)


@dataclass(frozen=True)
class Workspace:
    """Where the hand may be, in the base frame: a box from `lower` to `upper` (m), and within it on the side of each
    plane (a, b, c, d) where a x + b y + c z >= d; (a, b, c) has length 1.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    planes: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.lower, self.upper, strict=True)) or len(self.lower) != 3:
            raise ValueError("a workspace needs three lower bounds, each below its upper one")
        if not all(len(plane) == 4 and abs(np.linalg.norm(plane[:3]) - 1) < 1e-3 for plane in self.planes):
            raise ValueError("a plane is [a, b, c, d] with (a, b, c) of length 1")

    def inside(self, position: np.ndarray) -> np.ndarray:
        """How far inside of each of its borders [6 + planes] a position [3] is, in m; negative: outside of it."""
        planes = np.array(self.planes).reshape(-1, 4)
        return np.concatenate([position - self.lower, self.upper - position, planes[:, :3] @ position - planes[:, 3]])


@dataclass(frozen=True)
class Limits:
    """See config/robots/panda.yaml for the fields and their units."""

    translation: MotionLimits
    rotation: MotionLimits
    jump_m: float
    jump_rad: float
    workspace: Workspace
    joint_margin_rad: float
    gripper_rate_m_s: float | None
    action_size: float
    action_jump: float

    def __post_init__(self) -> None:
        positive = (self.jump_m, self.jump_rad, self.action_size, self.action_jump)
        if not all(limit > 0 for limit in positive) or not self.joint_margin_rad >= 0:
            raise ValueError("jumps and the size of an action must be positive, the joints' margin not negative")
        if self.gripper_rate_m_s is not None and not self.gripper_rate_m_s > 0:
            raise ValueError("the gripper's rate must be positive, or null for any")


def read_limits(plain: dict[str, Any]) -> Limits:
    """Limits of a robot's YAML. Raises KeyError, TypeError or ValueError for what are none."""
    rate, workspace = plain["gripper_rate_m_s"], plain["workspace"]
    return Limits(
        translation=MotionLimits(**plain["translation"]),
        rotation=MotionLimits(**plain["rotation"]),
        workspace=Workspace(
            lower=tuple(map(float, workspace["lower"])),
            upper=tuple(map(float, workspace["upper"])),
            planes=tuple(tuple(map(float, plane)) for plane in workspace["planes"]),
        ),
        gripper_rate_m_s=None if rate is None else float(rate),
        **{
            name: float(plain[name])
            for name in ("jump_m", "jump_rad", "joint_margin_rad", "action_size", "action_jump")
        },
    )
