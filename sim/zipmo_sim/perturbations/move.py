"""Something is moved while the arm is at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from zipmo_sim.perturbations import bodies
from zipmo_sim.perturbations.draw import Draw
from zipmo_sim.perturbations.subject import Perturbable

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

DISTANCE = 0.06  # m
NEAR = 0.16  # m between the hand and what it is about to touch
LIFTED = 0.03  # m
_GAP = 0.05  # m that stay free around it, for the hand
_TRIES = 100


class Move:
    """Takes the thing, or its goal, to another place on the surface, at once, the first time that it is due."""

    def __init__(self, env: ManipulationEnv, draw: Draw, body: str, due: Callable[[ManipulationEnv, float], bool]):
        self._draw, self._body, self._due = draw, body, due
        self._height = bodies.position(env, draw.subject.thing)[2]
        self.done = False

    def step(self, env: ManipulationEnv) -> None:
        """Before a control step."""
        if not self.done and self._due(env, self._height):
            length = DISTANCE * self._draw.strength
            bodies.shift(env, self._body, aside(env, self._draw.subject, self._body, length, self._draw.rng))
            self.done = True


def aside(env: ManipulationEnv, subject: Perturbable, body: str, length: float, rng: np.random.Generator) -> np.ndarray:
    """A step [3] (m, world) of that length along the surface, to where there is room for a body and the hand.

    In a direction drawn from those in which there is room; the best of those tried, if there is none.
    """
    here, own = bodies.circle(env, body)
    others = [bodies.circle(env, name) for name in bodies.things(env, subject) if name not in (body, subject.thing)]
    angles = rng.uniform(0, 2 * np.pi, _TRIES)
    offsets = length * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    low, high = np.transpose(subject.area)
    spare = np.minimum(here + offsets - low, high - here - offsets).min(1)
    for middle, radius in others:
        spare = np.minimum(spare, np.linalg.norm(here + offsets - middle, axis=1) - radius - own - _GAP)
    roomy = np.flatnonzero(spare > 0)
    return np.append(offsets[roomy[0] if len(roomy) else spare.argmax()], 0.0)


def before_contact(env: ManipulationEnv, draw: Draw) -> Move:
    """The thing, when the hand comes near."""
    thing = draw.subject.thing

    def due(env: ManipulationEnv, height: float) -> bool:
        turned = thing in draw.subject.fixtures  # somewhere else than at its origin
        place = env.landmarks()[env.task.name][0] if turned else bodies.position(env, thing)
        return bool(np.linalg.norm(env.eef_pose()[0] - place) < NEAR)

    return Move(env, draw, thing, due)


def after_grasp(env: ManipulationEnv, draw: Draw) -> Move:
    """Its goal, when the thing has been lifted."""

    def due(env: ManipulationEnv, height: float) -> bool:
        return bool(bodies.position(env, draw.subject.thing)[2] > height + LIFTED)

    assert draw.subject.goal is not None
    return Move(env, draw, draw.subject.goal, due)
