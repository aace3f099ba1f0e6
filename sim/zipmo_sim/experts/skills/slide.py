"""Drawers: Open by the bar on their front, Close by pushing it."""

from __future__ import annotations

import numpy as np

from zipmo_sim.experts.core import Phase, nearest_yaw
from zipmo_sim.experts.skills.skill import UP, Skill
from zipmo_sim.suites.libero.env import LiberoEnv
from zipmo_sim.suites.libero.furniture import Drawer

_PITCH = np.deg2rad(75)  # of the hand from pointing down, so that one finger fits behind the bar
_PUSHING = np.deg2rad(40)  # the same for a push
_BEFORE = 0.09  # m in front of the bar, where the hand is made ready
_AWAY = 0.10  # m from the bar, where it is done
_ABOVE = 0.1  # m over the bar that the hand comes at
_LOOSE = 0.04  # m between the fingers, when they have let go of the bar
_PULL = 0.05  # m ahead of the hand that it is drawn to


def facing(out: np.ndarray, pitch: float, closes: np.ndarray) -> np.ndarray:
    """Attitude [3, 3] of a hand that points against `out` [3] and, as far as pitch (rad) leaves it, down.

    closes [3]: the direction in which the fingers close.
    """
    points = -np.sin(pitch) * out - np.cos(pitch) * UP
    return np.stack([closes, np.cross(points, closes), points], axis=1)


class OpenSkill(Skill):
    """Grip the bar, one finger behind it, and draw."""

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, predicate: tuple[str, ...]):
        super().__init__(env, rng, noise)
        self._predicate, self._drawer = predicate, Drawer(env.robosuite, predicate[1])
        self._done = False

    @property
    def finished(self) -> bool:
        return bool(np.linalg.norm(self.hand - self._drawer.grip) > _AWAY) and self.env.holds(*self._predicate)

    def wrong_place(self) -> np.ndarray:
        return self._drawer.grip + _BEFORE * self._drawer.outwards + self.rng.uniform(-0.05, 0.05, 3)

    def _attitude(self) -> np.ndarray:
        """Closing up and down [3, 3]."""
        out = self._drawer.outwards
        closes = -np.cos(_PITCH) * out + np.sin(_PITCH) * UP
        return facing(out, _PITCH, closes if closes @ self.env.eef_pose()[1][:, 0] > 0 else -closes)

    def act(self) -> np.ndarray:
        attitude = self._attitude()
        points = attitude[:, 2]
        offset = self.hand - self._drawer.grip
        distance = float(np.linalg.norm(offset))
        if self._done or self.env.holds(*self._predicate):
            self._done = True
            self.phase = Phase.SLOW
            if self.opening < _LOOSE:
                return self.steer_to(self.hand, attitude, shut=False)
            back = self.hand - 0.05 * points if distance < _AWAY else self.hand + 0.05 * UP
            return self.steer_to(back, attitude, shut=False, speed=self.style.slow)
        gripped = all(self.touches(self._drawer.body_name)) and distance < 0.03
        if gripped and self.opening < 0.03:
            self.phase = Phase.SLOW
            return self.steer_to(self.hand + _PULL * self._drawer.outwards, attitude, shut=True, speed=self.style.slow)
        if distance < 0.012 or (gripped and distance < 0.02):
            self.phase = Phase.HOLD
            return self.steer_to(self._drawer.grip, attitude, shut=True, speed=0.15)
        beside = offset - (offset @ points) * points
        turned = np.trace(attitude.T @ self.env.eef_pose()[1]) > 2.9
        if np.linalg.norm(beside) < 0.015 and turned and distance < _BEFORE + 0.03:
            self.phase = Phase.SLOW
            return self.steer_to(self._drawer.grip, attitude, shut=False, speed=self.style.slow)
        before = self._drawer.grip - _BEFORE * points
        return self.go(before, attitude, False, self._drawer.grip[2] + _ABOVE, 0.01)


class CloseSkill(Skill):
    """Push the bar in with shut fingers. The hand is pitched, so that no other bar is in the palm's way."""

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, predicate: tuple[str, ...]):
        super().__init__(env, rng, noise)
        self._predicate, self._drawer = predicate, Drawer(env.robosuite, predicate[1])
        self._before = rng.uniform(0.07, 0.09)
        self._done = False

    @property
    def finished(self) -> bool:
        offset = (self.hand - self._drawer.grip) @ self._drawer.outwards
        return bool(offset > 0.8 * self._before) and self.env.holds(*self._predicate)

    def wrong_place(self) -> np.ndarray:
        return self._drawer.grip + 1.5 * self._before * self._drawer.outwards + self.rng.uniform(-0.04, 0.04, 3)

    def act(self) -> np.ndarray:
        out, bar, rotation = self._drawer.outwards, self._drawer.grip, self.env.eef_pose()[1]
        yaw = nearest_yaw(np.arctan2(-out[0], out[1]))  # along the bar
        attitude = facing(out, _PUSHING, np.array([np.cos(yaw), np.sin(yaw), 0.0]))
        offset = self.hand - bar
        ahead, beside = offset @ out, np.linalg.norm((offset - (offset @ out) * out)[:2])
        if self._done or self.env.holds(*self._predicate):
            self._done = True
            self.phase = Phase.SLOW
            away = self.hand + 0.05 * (out if ahead < self._before else UP)
            return self.steer_to(away, attitude, shut=True, speed=self.style.slow)
        turned = np.trace(attitude.T @ rotation) > 2.9
        if abs(offset[2]) < 0.025 and beside < 0.03 and 0.0 < ahead < 1.5 * self._before and turned:
            self.phase = Phase.SLOW
            return self.steer_to(bar - 0.04 * out, attitude, shut=True, speed=self.style.slow)
        return self.go(bar + self._before * out, attitude, True, bar[2] + _ABOVE, 0.01)
