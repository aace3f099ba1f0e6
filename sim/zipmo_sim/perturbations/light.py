"""Other light: how much, of what colour, from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw, Family, Sectors, colour

INTENSITY = 0.5  # more or less, as a share
SATURATION = 0.6
TILT = np.deg2rad(60)  # from the vertical
# Warm lamps and blue sky are reported; training has others.
TINTS: Mapping[Family, Sectors] = {
    "training": ((60.0, 170.0), (240.0, 375.0)),
    "development": ((45.0, 55.0), (225.0, 235.0)),
    "test": ((20.0, 40.0), (200.0, 220.0)),
}
# Where it comes from, seen from above, counter-clockwise from x.
SIDES: Mapping[Family, Sectors] = {
    "training": ((-120.0, 80.0),),
    "development": ((185.0, 225.0),),
    "test": ((95.0, 170.0),),
}


def dimmed(draft: Draft, draw: Draw) -> None:
    """Darker, or brighter."""
    _multiply(draft, np.full(3, 1 + INTENSITY * draw.strength * draw.sign()))


def tinted(draft: Draft, draw: Draw) -> None:
    """Of a colour, which takes away what it has not."""
    _multiply(draft, colour(draw.angle(TINTS), SATURATION * min(draw.strength, 1.0), 1.0))


def moved(draft: Draft, draw: Draw) -> None:
    """From another side and lower: all lights of the scene turned about where things stand, together.

    The first one comes from the side that is drawn, the lower the stronger.
    """
    lights = _standing(draft)
    if not lights:
        raise ValueError("no light stands in this scene, so none can be moved")
    side, tilt = np.deg2rad(draw.angle(SIDES)), TILT * min(draw.strength, 1.0)
    goal = -np.array([np.sin(tilt) * np.cos(side), np.sin(tilt) * np.sin(side), np.cos(tilt)])
    turn = _between(lights[0].dir / np.linalg.norm(lights[0].dir), goal)
    middle = np.append(np.mean(draw.subject.area, axis=1), draw.subject.height)
    for light in lights:
        light.pos = middle + turn.apply(light.pos - middle)
        light.dir = turn.apply(light.dir)


def _between(first: np.ndarray, second: np.ndarray) -> Rotation:
    """The shortest rotation from one unit vector to another, which is not opposite."""
    axis = np.cross(first, second)
    return Rotation.from_quat([*axis, 1 + first @ second])


def _standing(draft: Draft) -> list[Any]:
    return [light for light in draft.spec.lights if light.parent == draft.spec.worldbody]


def _multiply(draft: Draft, factors: np.ndarray) -> None:
    for lamp in draft.lamps():
        for part in ("ambient", "diffuse", "specular"):
            setattr(lamp, part, np.array(getattr(lamp, part)) * factors)
