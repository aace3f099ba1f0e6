"""Parts of furniture that move: drawers, doors and knobs, where the hand takes them, and where that will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation


class MovingPart:
    """A part that one joint moves. name: a fixture's, or of a region that belongs to the part.

    joint, body: their ids. body_name: the body's. geoms: ids of its geoms that collide.
    Raises ValueError for a name without a joint.
    """

    def __init__(self, robosuite: Any, name: str):
        self._robosuite, self._name = robosuite, name
        self.joint = _joint(robosuite, name)
        model = self._model
        self.body = int(model.jnt_bodyid[self.joint])
        self.body_name = robosuite.sim.model.body_id2name(self.body)
        collides = (model.geom_contype | model.geom_conaffinity) > 0
        self.geoms = np.flatnonzero((model.geom_bodyid == self.body) & collides)

    @property
    def grip(self) -> np.ndarray:
        """Where the hand takes it now [3]."""
        raise NotImplementedError

    def grip_once(self, kind: str) -> np.ndarray:
        """Where the grip will be [3] once it is, as predicates call it, "open", "close", "turnon" or "turnoff"."""
        site = self._robosuite.object_sites_dict.get(self._name)
        furniture = self._robosuite.get_object(site.parent_name if site else self._name)
        ranges = furniture.object_properties["articulation"][f"default_{kind}_ranges"]
        model, data = self._model, self._data
        motion = (np.mean(ranges) - data.qpos[model.jnt_qposadr[self.joint]]) * data.xaxis[self.joint]
        if not swings(self._robosuite, self._name):
            return self.grip + motion
        anchor = data.xanchor[self.joint]
        return anchor + Rotation.from_rotvec(motion).apply(self.grip - anchor)

    @property
    def _model(self) -> Any:
        return self._robosuite.sim.model._model

    @property
    def _data(self) -> Any:
        return self._robosuite.sim.data._data


class Drawer(MovingPart):
    """Taken by the bar on its front. outwards: the direction [3] that it opens in."""

    def __init__(self, robosuite: Any, name: str):
        super().__init__(robosuite, name)
        model, data = self._model, self._data
        low, high = model.jnt_range[self.joint]
        axis = data.xmat[self.body].reshape(3, 3) @ model.jnt_axis[self.joint]
        self.outwards = axis if abs(high) > abs(low) else -axis
        self._bar = self.geoms[np.argmax(data.geom_xpos[self.geoms] @ self.outwards)]

    @property
    def grip(self) -> np.ndarray:
        """The middle of the bar."""
        return self._data.geom_xpos[self._bar].copy()


@dataclass(frozen=True)
class Handle:
    """position: of its middle, at the door's upper edge [3]. out: direction that it sticks out in [3]. along: [3], from
    the hinge to it, horizontally, a unit vector."""

    position: np.ndarray
    out: np.ndarray
    along: np.ndarray


class Door(MovingPart):
    """On a hinge, taken by its handle. opens: sign of the turn that opens it."""

    def __init__(self, robosuite: Any, name: str):
        super().__init__(robosuite, name)
        low, high = self._model.jnt_range[self.joint]
        self.opens = 1.0 if abs(high) > abs(low) else -1.0
        volume = self._model.geom_aabb[self.geoms, 3:].prod(1)
        self._leaf, self._grips = self.geoms[np.argmax(volume)], self.geoms[volume < volume.max()]

    @property
    def grip(self) -> np.ndarray:
        return self.handle().position

    def handle(self) -> Handle:
        model, data = self._model, self._data
        frame = data.geom_xmat[self._leaf].reshape(3, 3)
        top = data.geom_xpos[self._leaf, 2] + np.abs(frame[2]) @ model.geom_aabb[self._leaf, 3:]
        sticks = data.geom_xpos[self._grips] - data.geom_xpos[self._leaf]
        thin = frame[:, np.argmin(model.geom_aabb[self._leaf, 3:])]
        out = thin * np.sign((sticks @ thin).sum())
        outermost = self._grips[np.argmax(sticks @ out)]
        position = np.array([*data.geom_xpos[outermost][:2], top])
        along = (position - data.xanchor[self.joint]) * (1, 1, 0)
        along -= (along @ out) * out
        return Handle(position, out, along / np.linalg.norm(along))


class Knob(MovingPart):
    """Taken by its ridge from above. top: the ridge's height, m."""

    def __init__(self, robosuite: Any, name: str):
        super().__init__(robosuite, name)
        model, data = self._model, self._data
        frames = data.geom_xmat[self.geoms].reshape(-1, 3, 3)
        tops = data.geom_xpos[self.geoms, 2] + (np.abs(frames[:, 2]) * model.geom_aabb[self.geoms, 3:]).sum(1)
        self._ridge = self.geoms[np.argmax(tops)]
        self.top = float(tops.max())

    @property
    def grip(self) -> np.ndarray:
        """The middle of the ridge's upper edge."""
        return np.array([*self._data.geom_xpos[self._ridge][:2], self.top])

    def across(self) -> float:
        """The direction across the ridge, rad."""
        frame, half = self._data.geom_xmat[self._ridge].reshape(3, 3), self._model.geom_aabb[self._ridge, 3:]
        flat = [axis for axis in range(3) if abs(frame[2, axis]) < 0.7]
        across = frame[:, min(flat, key=lambda axis: half[axis])]
        return float(np.arctan2(across[1], across[0]))


def part_of(robosuite: Any, kind: str, name: str) -> MovingPart:
    """What a predicate of one argument moves. kind: "open", "close", "turnon", "turnoff"."""
    if kind in ("turnon", "turnoff"):
        return Knob(robosuite, name)
    return Door(robosuite, name) if swings(robosuite, name) else Drawer(robosuite, name)


def swings(robosuite: Any, name: str) -> bool:
    """Whether a part turns about a hinge, or slides."""
    import mujoco

    return robosuite.sim.model._model.jnt_type[_joint(robosuite, name)] == mujoco.mjtJoint.mjJNT_HINGE


def is_drawer(robosuite: Any, region: str) -> bool:
    """Whether a place is inside of a part that moves."""
    site = robosuite.object_sites_dict.get(region)
    return bool(site and site.joints)


def _joint(robosuite: Any, name: str) -> int:
    found = robosuite.object_sites_dict.get(name) or robosuite.get_object(name)
    if not found.joints:
        raise ValueError(f"{name} has no joint")
    return robosuite.sim.model.joint_name2id(found.joints[0])
