"""The arm of a robot as its controllers know it: the section `arm` of config/robots/*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

CommandKind = Literal[
    "pose", "servo_pose", "twist", "joint_trajectory", "follow_joint_trajectory", "joint_position", "joint_velocity"
]
GripperKind = Literal["joint_trajectory", "position_array", "gripper_command", "parallel_gripper_command"]
COMMAND_KINDS: tuple[CommandKind, ...] = get_args(CommandKind)
GRIPPER_KINDS: tuple[GripperKind, ...] = get_args(GripperKind)


@dataclass(frozen=True)
class GripperSpec:
    """A gripper. joints: those that its controller moves; the first one tells how far it is open.

    interfaces: {kind: its topic or action}. open, closed: the joints' positions (rad or m); in between, the metres
    between the fingers are taken to be linear. effort: most that it may press with (N or Nm), where that can be said.
    """

    interface: GripperKind
    interfaces: Mapping[GripperKind, str]
    joints: tuple[str, ...]
    open: float
    closed: float
    effort: float

    def __post_init__(self) -> None:
        _check_interface("gripper", self.interface, self.interfaces, GRIPPER_KINDS)
        object.__setattr__(self, "joints", tuple(self.joints))
        if not self.joints or self.open == self.closed:
            raise ValueError("a gripper has joints, and is not open where it is closed")

    def position(self, fraction: float) -> float:
        """Of its joints, when it is open by a fraction (0 closed, 1 open)."""
        return self.closed + fraction * (self.open - self.closed)

    def fraction(self, position: float) -> float:
        """How far it is open when its first joint is there, in [0, 1]."""
        return min(1.0, max(0.0, (position - self.closed) / (self.open - self.closed)))


@dataclass(frozen=True)
class ArmSpec:
    """interface: the usual one of `interfaces`, {kind: its controller's topic or action}.

    joint_speeds: the most of each joint, rad/s.
    home: joints (rad) that episodes start from; None where nobody says. urdf: file of the wheel example-robot-data
    below its robots/, or a path of your own; None: no kinematics. urdf_joints: the joints' names in it, where others.
    tip: its frame that `tool` starts from, tool: the hand's frame in it, x y z (m) and roll pitch yaw (rad).
    """

    interface: CommandKind
    interfaces: Mapping[CommandKind, str]
    joint_speeds: tuple[float, ...]
    home: tuple[float, ...] | None
    urdf: str | None
    urdf_joints: tuple[str, ...] | None
    tip: str | None
    tool: tuple[float, ...]
    gripper: GripperSpec

    def __post_init__(self) -> None:
        _check_interface("arm", self.interface, self.interfaces, COMMAND_KINDS)
        for name in ("joint_speeds", "home", "urdf_joints", "tool"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(given))
        if min(self.joint_speeds) <= 0:
            raise ValueError("the speeds of an arm's joints must be positive")
        if (self.urdf is None) != (self.tip is None):
            raise ValueError("a URDF and the tip in it are given together")
        if len(self.tool) != 6:
            raise ValueError(f"tool is x y z roll pitch yaw, got {len(self.tool)} numbers")

    def check(self, joints: tuple[str, ...], limits: tuple[tuple[float, float], ...]) -> None:
        """Raise ValueError where it does not fit a robot's joints and their limits (rad)."""
        for name in ("joint_speeds", "home", "urdf_joints"):
            if (given := getattr(self, name)) is not None and len(given) != len(joints):
                raise ValueError(f"the arm has {len(joints)} joints, and {name} {len(given)} entries")
        outside = [j for j, q, (low, high) in zip(joints, self.home or (), limits, strict=False) if not low < q < high]
        if outside:
            raise ValueError(f"home lies outside the limits of {', '.join(outside)}")

    def topic(self, kind: CommandKind) -> str:
        """Topic or action of the controller of that kind. Raises ValueError where the arm has none."""
        if kind not in self.interfaces:
            raise ValueError(f"the arm has no controller for '{kind}'; it has {', '.join(self.interfaces)}")
        return self.interfaces[kind]


def read_arm(plain: dict[str, Any]) -> ArmSpec:
    """The section `arm` of a robot's YAML. Raises KeyError, TypeError or ValueError for what is none."""
    gripper = GripperSpec(**plain["gripper"])
    return ArmSpec(**{field.name: plain[field.name] for field in fields(ArmSpec)} | {"gripper": gripper})


def _check_interface(owner: str, chosen: str, named: Mapping[Any, str], kinds: tuple[str, ...]) -> None:
    if chosen not in named or (unknown := set(named) - set(kinds)):
        wrong = chosen if chosen not in named else ", ".join(map(str, unknown))
        raise ValueError(f"{owner}: interface '{wrong}' is none of its own, or not one of {', '.join(kinds)}")
