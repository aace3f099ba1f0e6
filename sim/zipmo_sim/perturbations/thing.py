"""The thing that the task is about: how it stands, its colour, its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from zipmo_sim.perturbations import bodies
from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw, Family, Sectors, colour

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

YAW = np.deg2rad(45)
SCALE = 0.2
SATURATION = 0.6  # of the glaze
GLAZE = 0.4  # how much of it is seen on a thing of one colour: a red block stays the reddest
TINTS: Mapping[Family, Sectors] = {
    "training": ((60.0, 170.0), (240.0, 375.0)),
    "development": ((45.0, 55.0), (225.0, 235.0)),
    "test": ((20.0, 40.0), (200.0, 220.0)),
}


def turned(env: ManipulationEnv, draw: Draw) -> None:
    """By an angle about the vertical, from how it would stand; the other way round where something is in the way."""
    angle = YAW * draw.strength * draw.sign()
    bodies.turn(env, draw.subject.thing, angle)
    if bodies.overlaps(env, draw.subject, draw.subject.thing):
        bodies.turn(env, draw.subject.thing, -2 * angle)


def tinted(draft: Draft, draw: Draw, body: str | None = None) -> None:
    """As under a glaze: what has a texture is tinted, what has one colour takes some of another. body: of the thing."""
    strength = min(draw.strength, 1.0)
    hue = draw.angle(TINTS)
    for geom in draft.looks_of(body or draw.subject.thing):
        own, share = draft.own_colour(geom), GLAZE * strength
        textured = own * colour(hue, SATURATION * strength, 1.0)
        plain = (1 - share) * own + share * colour(hue, SATURATION, 1.0)
        geom.rgba = [*(textured if draft.texture(geom) else plain), geom.rgba[3]]


def scaled(draft: Draft, draw: Draw) -> None:
    """Larger or smaller, what it collides with too, and heavier or lighter with that; `set_down` belongs to it."""
    factor = 1 + SCALE * draw.strength * draw.sign()
    meshes, left = set(), [draft.spec.body(draw.subject.thing)]
    for part in left:
        for inner in part.bodies:
            inner.pos = inner.pos * factor
            left.append(inner)
        for geom in part.geoms:
            geom.pos, geom.size = geom.pos * factor, geom.size * factor
            meshes |= {geom.meshname} - {""}
    for name in meshes:
        mesh = draft.spec.mesh(name)
        mesh.scale = mesh.scale * factor


def set_down(env: ManipulationEnv, draw: Draw) -> None:
    """On the surface, whatever its size is now."""
    bodies.stand(env, draw.subject.thing, draw.subject.height + 0.001)
