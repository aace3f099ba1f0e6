"""A robot as the models know it: joints, gripper, cameras, rate, and what an action means. One YAML a robot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from zipmo_ros.contract.arm import ArmSpec, read_arm
from zipmo_ros.contract.camera import CameraSpec
from zipmo_ros.contract.limits import Limits, read_limits
from zipmo_ros.contract.response import Response
from zipmo_ros.contract.share import share_path

DEFAULT = "panda"


@dataclass(frozen=True)
class RobotSpec:
    """See config/robots/panda.yaml for the fields and their units.

    proprioception: positions of `joints` (rad), then of `fingers` (m). An action is [7] in [-1, 1]: translation,
    rotation (axis-angle) and gripper (-1 open, +1 closed); of 1 it moves the goal of the hand by
    translation_m, rotation_rad. Poses are of the frame hand_frame, in base_frame. arm: its controllers; None: not said.
    """

    name: str
    rate_hz: int
    joints: tuple[str, ...]
    fingers: tuple[str, ...]
    joint_limits: tuple[tuple[float, float], ...]
    translation_m: float
    rotation_rad: float
    gripper_joint: str
    gripper_open_m: float
    base_frame: str
    hand_frame: str
    response: Response
    limits: Limits
    cameras: tuple[CameraSpec, ...]
    arm: ArmSpec | None

    def __post_init__(self) -> None:
        if len(self.joint_limits) != len(self.joints):
            raise ValueError(f"{len(self.joints)} joints with {len(self.joint_limits)} limits")
        if any(lower >= upper for lower, upper in self.joint_limits):
            raise ValueError("a joint's lower limit must be below its upper one")
        if min(self.rate_hz, self.translation_m, self.rotation_rad, self.gripper_open_m) <= 0:
            raise ValueError("rate, action scales and the gripper's opening must be positive")
        if self.arm is not None:
            self.arm.check(self.joints, self.joint_limits)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the cameras' views, in the models' order."""
        return tuple(camera.view for camera in self.cameras)

    @property
    def proprio_names(self) -> tuple[str, ...]:
        """Names of what makes up the proprioception, in order."""
        return self.joints + self.fingers

    def opening(self, proprio: np.ndarray) -> float:
        """Metres between the fingers, of proprioception [n]."""
        return float(np.abs(proprio[len(self.joints) :]).sum())

    @property
    def offset_scale(self) -> np.ndarray:
        """Offset of the hand's goal [6] (m, rad) that an action of 1 means."""
        return np.repeat([self.translation_m, self.rotation_rad], 3)

    @property
    def period_s(self) -> float:
        """Seconds of a control step."""
        return 1 / self.rate_hz

    @property
    def period_ns(self) -> int:
        """Nanoseconds of a control step."""
        return 10**9 // self.rate_hz

    def camera(self, view: str) -> CameraSpec:
        """The camera of a view. Raises ValueError, naming those there are."""
        found = {camera.view: camera for camera in self.cameras}
        if view not in found:
            raise ValueError(f"robot {self.name} has no view '{view}'; it has {', '.join(found)}")
        return found[view]


@cache
def load_robot(name: str | Path = DEFAULT) -> RobotSpec:
    """The robot of config/robots/<name>.yaml, or of a YAML file of the user's own.

    Raises FileNotFoundError naming the robots that there are, ValueError for a file that does not describe one.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        folder = share_path("config/robots")
        path = folder / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
            raise FileNotFoundError(f"no robot '{name}'; there are {known}, or name a YAML file")
    try:
        return _read(_plain(path))
    except (KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path} does not describe a robot: {error!r}") from error


def _plain(path: Path) -> dict[str, Any]:
    """What a file says, over what the robot says that it is `like`."""
    plain = yaml.safe_load(path.read_text())
    like = plain.pop("like", None)
    return plain if like is None else _over(_plain(share_path(f"config/robots/{like}.yaml")), plain)


def _over(below: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """What `plain` says, and what it leaves unsaid as it is below, in sections within sections too."""
    both = {key: _over(below[key], value) for key, value in plain.items()
            if isinstance(value, dict) and isinstance(below.get(key), dict)}  # fmt: skip
    return {**below, **plain, **both}


def _read(plain: dict[str, Any]) -> RobotSpec:
    cameras = (CameraSpec(view, **fields) for view, fields in plain["cameras"].items())
    return RobotSpec(
        name=plain["name"],
        rate_hz=int(plain["rate_hz"]),
        joints=tuple(plain["joints"]),
        fingers=tuple(plain["fingers"]),
        joint_limits=tuple((float(lower), float(upper)) for lower, upper in plain["joint_limits"]),
        translation_m=float(plain["action"]["translation_m"]),
        rotation_rad=float(plain["action"]["rotation_rad"]),
        gripper_joint=plain["gripper"]["joint"],
        gripper_open_m=float(plain["gripper"]["open_m"]),
        base_frame=plain["frames"]["base"],
        hand_frame=plain["frames"]["hand"],
        response=Response(**plain["response"]),
        limits=read_limits(plain["limits"]),
        cameras=tuple(cameras),
        arm=read_arm(plain["arm"]) if plain.get("arm") else None,
    )
