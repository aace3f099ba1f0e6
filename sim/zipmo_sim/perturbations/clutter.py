"""Things that no task names: fixed to the surface, solid, lower than a hand is over what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zipmo_sim.perturbations import bodies
from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw, Family, Sectors, colour

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

NAME = "distractor_{}"
MOST = 3
RADIUS = 0.035  # m, which holds any of them
BESIDE = 0.02  # m between the first one and the room that the hand needs around the thing
_ASIDE, _HANDLED = 0.05, 0.15  # m around other things, and around furniture that is opened, shut or turned on
_AWAY = -5.0  # m: out of sight until it has a place
_TRIES = 300
# Purple ones are reported, and training has none of these; no family has the colours of mini's blocks and bins.
HUES: Mapping[Family, Sectors] = {
    "training": ((20.0, 40.0), (75.0, 95.0), (150.0, 180.0), (305.0, 335.0)),
    "development": ((48.0, 68.0),),
    "test": ((262.0, 298.0),),
}
Shape = Callable[[np.random.Generator], list[dict[str, Any]]]
"""Its parts: MuJoCo's type, size, and pos with the surface at 0."""


def _ball(rng: np.random.Generator) -> list[dict[str, Any]]:
    radius = rng.uniform(0.02, 0.03)
    return [{"type": "SPHERE", "size": [radius, 0, 0], "pos": [0, 0, radius]}]


def _drum(rng: np.random.Generator) -> list[dict[str, Any]]:
    radius, half = rng.uniform(0.018, 0.032), rng.uniform(0.015, 0.035)
    return [{"type": "CYLINDER", "size": [radius, half, 0], "pos": [0, 0, half]}]


def _egg(rng: np.random.Generator) -> list[dict[str, Any]]:
    size = rng.uniform(0.018, 0.034, 3)
    return [{"type": "ELLIPSOID", "size": size, "pos": [0, 0, size[2]]}]


def _pawn(rng: np.random.Generator) -> list[dict[str, Any]]:
    radius, half = rng.uniform(0.018, 0.024), rng.uniform(0.015, 0.02)
    head = {"type": "SPHERE", "size": [0.8 * radius, 0, 0], "pos": [0, 0, 2 * half + 0.6 * radius]}
    return [{"type": "CYLINDER", "size": [radius, half, 0], "pos": [0, 0, half]}, head]


def _box(rng: np.random.Generator) -> list[dict[str, Any]]:
    size = rng.uniform((0.017, 0.017, 0.015), (0.024, 0.024, 0.035))
    return [{"type": "BOX", "size": size, "pos": [0, 0, size[2]]}]


def _steps(rng: np.random.Generator) -> list[dict[str, Any]]:
    half = rng.uniform(0.012, 0.018)
    upper = {"type": "BOX", "size": [0.011, 0.022, half], "pos": [-0.011, 0, 3 * half]}
    return [{"type": "BOX", "size": [0.022, 0.022, half], "pos": [0, 0, half]}, upper]


SHAPES: Mapping[Family, tuple[Shape, ...]] = {
    "training": (_ball, _drum, _egg),
    "development": (_pawn,),
    "test": (_box, _steps),
}


def added(draft: Draft, draw: Draw, solid: bool = True) -> None:
    """As many as the strength says, out of the way; `beside` or `scatter` gives them places."""
    import mujoco

    for number in range(_count(draw)):
        body = draft.spec.worldbody.add_body(name=NAME.format(number), pos=[0, 0, _AWAY])
        shape = SHAPES[draw.family][draw.rng.integers(len(SHAPES[draw.family]))]
        hue = colour(draw.angle(HUES), draw.rng.uniform(0.55, 0.9), draw.rng.uniform(0.35, 0.75))
        for index, part in enumerate(shape(draw.rng)):
            kind = getattr(mujoco.mjtGeom, f"mjGEOM_{part['type']}")
            look = {"name": f"{NAME.format(number)}_{index}", "rgba": [*hue, 1.0], "group": 1}
            body.add_geom(**part | look | {"type": kind}, contype=int(solid), conaffinity=int(solid))


def beside(env: ManipulationEnv, draw: Draw) -> None:
    """The first one as near to the thing as leaves the hand its room, the others wherever there is some."""
    subject = draw.subject
    room = {subject.thing: subject.room} | dict.fromkeys(subject.handled, _HANDLED)
    around = {name: room.get(name, _ASIDE) for name in bodies.things(env, subject)}
    circles = {name: bodies.circle(env, name) for name in around}
    taken = {name: (middle, radius + around[name]) for name, (middle, radius) in circles.items()}
    middle, radius = taken[subject.thing]
    near = (middle, radius + RADIUS + BESIDE + 0.1 * (1 - draw.strength))
    scatter(env, draw, [*taken.values()], [near])


def scatter(
    env: ManipulationEnv,
    draw: Draw,
    taken: Sequence[tuple[np.ndarray, float]],
    near: Sequence[tuple[np.ndarray, float]] = (),
) -> None:
    """Give each a place of its own outside the circles (middle [2], radius m) that are taken; those without stay away.

    near: circles, one for each of the first, that it has to be inside of, where that is possible.
    """
    taken = list(taken)
    low, high = np.transpose(draw.subject.area)
    for number in range(_count(draw)):
        tried = draw.rng.uniform(low, high, (_TRIES, 2))
        free = np.all([np.linalg.norm(tried - middle, axis=1) > radius + RADIUS for middle, radius in taken], axis=0)
        wanted = free
        if number < len(near):
            middle, radius = near[number]
            wanted = free & (np.linalg.norm(tried - middle, axis=1) < radius)
        chosen = np.flatnonzero(wanted if wanted.any() else free)
        if len(chosen):
            place = tried[chosen[0]]
            now = bodies.position(env, NAME.format(number))
            bodies.shift(env, NAME.format(number), np.array([*place, draw.subject.height]) - now)
            taken.append((place, RADIUS))


def _count(draw: Draw) -> int:
    return int(np.ceil(MOST * min(draw.strength, 1.0)))
