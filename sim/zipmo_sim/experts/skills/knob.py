"""A stove's knob: Turnon and Turnoff, by gripping its ridge and turning the wrist."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import HOME_YAW, Phase, nearest_yaw
from zipmo_sim.experts.skills.skill import UP, Skill
from zipmo_sim.experts.surroundings import TIP
from zipmo_sim.suites.libero.env import LiberoEnv
from zipmo_sim.suites.libero.furniture import Knob

_AHEAD = 0.35  # rad that the wrist is led by
_FARTHEST = 1.9  # rad of the wrist from home, from where the ridge is gripped anew
_AWAY = 0.08  # m over the ridge, where it is done


class KnobSkill(Skill):
    """Grip the ridge from above, and turn it until the predicate holds."""

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, predicate: tuple[str, ...]):
        super().__init__(env, rng, noise)
        self._predicate, self._knob = predicate, Knob(env.robosuite, predicate[1])
        self._sign = {"turnon": 1.0, "turnoff": -1.0}[predicate[0]]
        self._done = self._turning = False

    @property
    def finished(self) -> bool:
        return bool(self.hand[2] > self._knob.top + _AWAY) and self.env.holds(*self._predicate)

    def wrong_place(self) -> np.ndarray:
        return self._site() + self.rng.uniform(-0.06, 0.06, 3) * (1, 1, 0) + [0, 0, self.rng.uniform(0.02, 0.06)]

    def _site(self) -> np.ndarray:
        """Where the hand grips the ridge now [3]."""
        return self._knob.grip - TIP * UP

    def act(self) -> np.ndarray:
        site = self._site()
        rotation = self.env.eef_pose()[1]
        yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0]))
        if self._done or self.env.holds(*self._predicate):
            self._done = True
            self.phase = Phase.HOLD
            return self.steer(self.hand + 0.05 * (self.opening > 0.03) * UP, yaw, shut=False)
        offset = self.hand - site
        near = np.abs(offset).max() < 0.02
        wrist = (yaw - HOME_YAW + np.pi) % (2 * np.pi) - np.pi
        self._turning = (
            near
            and self._sign * wrist < _FARTHEST
            and (self._turning or (np.abs(offset).max() < 0.008 and self.opening > 0.06))
        )
        if not self._turning:
            if near and self.opening < 0.06:  # let go, to grip it anew
                return self.steer(self.hand + 0.05 * UP, yaw, shut=False)
            hover = self._knob.top + 0.04
            return self.approach(site, nearest_yaw(self._knob.across()), False, hover, hover + 0.05)
        if not all(self.touches(self._knob.body_name)):
            self.phase = Phase.HOLD
            return self.steer(site, yaw, shut=True, speed=0.15)
        self.phase = Phase.SLOW
        return self._turned(site, yaw + self._sign * _AHEAD)

    def _turned(self, site: np.ndarray, yaw: float) -> np.ndarray:
        """Towards where the grip will be when the knob has followed."""
        anchor = self.env.sim.data._data.xanchor[self._knob.joint]
        ahead = Rotation.from_rotvec([0, 0, self._sign * _AHEAD]).apply(site - anchor) + anchor
        return self.steer(ahead, yaw, shut=True)
