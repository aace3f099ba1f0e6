"""Where the hand is when the episode begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zipmo_sim.perturbations.draw import Draw

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

DISTANCE = 0.08  # m
_GAIN, _STEPS = 1.6, 40


def led_away(env: ManipulationEnv, draw: Draw) -> None:
    """To a place at a distance from the usual one, not lower than a quarter of it, before step 0."""
    direction = draw.direction()
    direction[2] = abs(direction[2]) if direction[2] < -0.25 else direction[2]
    goal = env.eef_pose()[0] + DISTANCE * draw.strength * direction
    for _ in range(_STEPS):
        way = (_GAIN * (goal - env.eef_pose()[0]) / env.robot.translation_m).clip(-1, 1)
        env.advance(np.array([*way, 0, 0, 0, -1]))
