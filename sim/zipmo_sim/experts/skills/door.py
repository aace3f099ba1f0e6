"""Doors on a hinge: Close by pushing the handle, Open by gripping it and following its arc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import HOME_YAW, Phase, nearest_yaw
from zipmo_sim.experts.skills.skill import UP, Skill
from zipmo_sim.suites.libero.env import LiberoEnv

_BEFORE = 0.07  # m in front of the handle, where a push begins
_DEEP = 0.05  # m from the door's upper edge down to the grip site that pushes
_GRIP = 0.028  # m from there to one that grips; the palm is 28 mm above the site
_AHEAD = 0.3  # rad that the hand is led by
_HIGH = 0.05  # m over the door that the hand comes at
_AWAY = 0.08  # m from the handle, where it is done


@dataclass(frozen=True)
class Handle:
    """position: of its middle, at the door's upper edge [3]. out: direction that it sticks out in [3]. along: [3], from
    the hinge to it, horizontally, a unit vector."""

    position: np.ndarray
    out: np.ndarray
    along: np.ndarray


class DoorSkill(Skill):
    """What opening and closing share. sign: of the turn about the vertical that brings the predicate about."""

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, predicate: tuple[str, ...]):
        super().__init__(env, rng, noise)
        self._predicate, self._joint = predicate, env.joint_of(predicate[1])
        model = env.sim.model._model
        self._body = int(model.jnt_bodyid[self._joint])
        self._name = env.sim.model.body_id2name(self._body)
        low, high = model.jnt_range[self._joint]
        opens = 1.0 if abs(high) > abs(low) else -1.0
        self._sign = opens if predicate[0] == "open" else -opens
        geoms = np.flatnonzero((model.geom_bodyid == self._body) & ((model.geom_contype | model.geom_conaffinity) > 0))
        volume = model.geom_aabb[geoms, 3:].prod(1)
        self._leaf, self._grips = geoms[np.argmax(volume)], geoms[volume < volume.max()]
        self._done = False

    @property
    def finished(self) -> bool:
        away = np.linalg.norm((self.hand - self._handle().position)[:2]) > _AWAY
        return self.env.holds(*self._predicate) and bool(away or self.hand[2] > self._handle().position[2] + _HIGH)

    def wrong_place(self) -> np.ndarray:
        handle = self._handle()
        return handle.position + 0.1 * handle.out + self.rng.uniform(-0.05, 0.05, 3)

    def _handle(self) -> Handle:
        model, data = self.env.sim.model._model, self.env.sim.data._data
        frame = data.geom_xmat[self._leaf].reshape(3, 3)
        top = data.geom_xpos[self._leaf, 2] + np.abs(frame[2]) @ model.geom_aabb[self._leaf, 3:]
        sticks = data.geom_xpos[self._grips] - data.geom_xpos[self._leaf]
        thin = frame[:, np.argmin(model.geom_aabb[self._leaf, 3:])]
        out = thin * np.sign((sticks @ thin).sum())
        outermost = self._grips[np.argmax(sticks @ out)]
        position = np.array([*data.geom_xpos[outermost][:2], top])
        along = (position - data.xanchor[self._joint]) * (1, 1, 0)
        along -= (along @ out) * out
        return Handle(position, out, along / np.linalg.norm(along))

    def _swung(self, place: np.ndarray) -> np.ndarray:
        """Where a place of the door [3] will be when it has turned on."""
        anchor = self.env.sim.data._data.xanchor[self._joint]
        return Rotation.from_rotvec(self._sign * _AHEAD * UP).apply(place - anchor) + anchor

    def _leave(self, yaw: float, direction: np.ndarray, shut: bool) -> np.ndarray:
        """Away from the handle, then up."""
        self._done, self.phase = True, Phase.SLOW
        near = np.linalg.norm((self.hand - self._handle().position)[:2]) < _AWAY
        return self.steer(self.hand + 0.05 * (direction if near else UP), yaw, shut, self.style.slow)


class CloseDoorSkill(DoorSkill):
    """Come down in front of the handle and push with shut fingers."""

    def act(self) -> np.ndarray:
        handle, yaw = self._handle(), HOME_YAW + self.style.yaw
        if self._done or self.env.holds(*self._predicate):
            return self._leave(yaw, handle.out, shut=True)
        site = handle.position - _DEEP * UP
        offset = self.hand - site
        ahead, beside = offset @ handle.out, abs(offset @ handle.along)
        if abs(offset[2]) < 0.025 and beside < 0.04 and 0.0 < ahead < 1.4 * _BEFORE and self.opening < 0.02:
            self.phase = Phase.SLOW
            return self.steer(self._swung(site), yaw, shut=True, speed=self.style.slow)
        high = handle.position[2] + _HIGH
        return self.approach(site + _BEFORE * handle.out, yaw, True, high, high + 0.03, tolerance=0.015)


class OpenDoorSkill(DoorSkill):
    """Grip the handle from above, along the door, and draw it around the hinge."""

    def act(self) -> np.ndarray:
        handle = self._handle()
        yaw = nearest_yaw(np.arctan2(handle.along[1], handle.along[0]))
        if self._done or self.env.holds(*self._predicate):
            return self._leave(yaw, UP, shut=False)
        site = handle.position - _GRIP * UP + 0.008 * handle.out
        offset = np.abs(self.hand - site).max()
        if offset < 0.03 and all(self.touches(self._name)) and self.opening < 0.03:
            self.phase = Phase.SLOW
            turned = yaw + self._sign * _AHEAD
            return self.steer(self._swung(site), turned, shut=True, speed=0.7 * self.style.speed)
        if offset < 0.01 or (offset < 0.025 and self.opening < 0.06):
            self.phase = Phase.HOLD
            return self.steer(site, yaw, shut=True, speed=0.15)
        high = handle.position[2] + _HIGH
        return self.approach(site, yaw, False, high, high + 0.03)
