"""Doors on a hinge: Close by pushing the handle, Open by gripping it and following its arc."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import HOME_YAW, Phase, nearest_yaw
from zipmo_sim.experts.skills.skill import UP, Skill
from zipmo_sim.suites.libero.env import LiberoEnv
from zipmo_sim.suites.libero.furniture import Door

_BEFORE = 0.07  # m in front of the handle, where a push begins
_DEEP = 0.05  # m from the door's upper edge down to the grip site that pushes
_GRIP = 0.028  # m from there to one that grips; the palm is 28 mm above the site
_AHEAD = 0.3  # rad that the hand is led by
_HIGH = 0.05  # m over the door that the hand comes at
_AWAY = 0.08  # m from the handle, where it is done


class DoorSkill(Skill):
    """What opening and closing share. sign: of the turn about the vertical that brings the predicate about."""

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, predicate: tuple[str, ...]):
        super().__init__(env, rng, noise)
        self._predicate, self._door = predicate, Door(env.robosuite, predicate[1])
        self._sign = self._door.opens if predicate[0] == "open" else -self._door.opens
        self._done = False

    @property
    def finished(self) -> bool:
        away = np.linalg.norm((self.hand - self._door.handle().position)[:2]) > _AWAY
        return self.env.holds(*self._predicate) and bool(away or self.hand[2] > self._door.handle().position[2] + _HIGH)

    def wrong_place(self) -> np.ndarray:
        handle = self._door.handle()
        return handle.position + 0.1 * handle.out + self.rng.uniform(-0.05, 0.05, 3)

    def _swung(self, place: np.ndarray) -> np.ndarray:
        """Where a place of the door [3] will be when it has turned on."""
        anchor = self.env.sim.data._data.xanchor[self._door.joint]
        return Rotation.from_rotvec(self._sign * _AHEAD * UP).apply(place - anchor) + anchor

    def _leave(self, yaw: float, direction: np.ndarray, shut: bool) -> np.ndarray:
        """Away from the handle, then up."""
        self._done, self.phase = True, Phase.SLOW
        near = np.linalg.norm((self.hand - self._door.handle().position)[:2]) < _AWAY
        return self.steer(self.hand + 0.05 * (direction if near else UP), yaw, shut, self.style.slow)


class CloseDoorSkill(DoorSkill):
    """Come down in front of the handle and push with shut fingers."""

    def act(self) -> np.ndarray:
        handle, yaw = self._door.handle(), HOME_YAW + self.style.yaw
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
        handle = self._door.handle()
        yaw = nearest_yaw(np.arctan2(handle.along[1], handle.along[0]))
        if self._done or self.env.holds(*self._predicate):
            return self._leave(yaw, UP, shut=False)
        site = handle.position - _GRIP * UP + 0.008 * handle.out
        offset = np.abs(self.hand - site).max()
        if offset < 0.03 and all(self.touches(self._door.body_name)) and self.opening < 0.03:
            self.phase = Phase.SLOW
            turned = yaw + self._sign * _AHEAD
            return self.steer(self._swung(site), turned, shut=True, speed=0.7 * self.style.speed)
        if offset < 0.01 or (offset < 0.025 and self.opening < 0.06):
            self.phase = Phase.HOLD
            return self.steer(site, yaw, shut=True, speed=0.15)
        high = handle.position[2] + _HIGH
        return self.approach(site, yaw, False, high, high + 0.03)
