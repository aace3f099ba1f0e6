"""What everything stands on: its colour, its texture, how it shines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw, Family, Sectors, colour
from zipmo_sim.perturbations.textures import RULES

NAME = "perturbed"  # of the texture and its material, before what it is on
CONTRAST = 0.5  # of a texture: how much darker than its own colour one half is, and lighter the other
# Tables that are blue, or of no colour and dark, are reported; training has no such ones.
HUES: Mapping[Family, Sectors] = {
    "training": ((0.0, 40.0), (75.0, 185.0), (310.0, 360.0)),
    "development": ((48.0, 68.0),),
    "test": ((205.0, 245.0),),
}
SATURATIONS = (0.35, 0.8)
VALUES = (0.4, 0.8)
DARK = {"training": (0.32, 0.36), "development": (0.22, 0.28), "test": (0.08, 0.18)}


def painted(draft: Draft, draw: Draw) -> None:
    """Of another colour, or (every second time) dark and grey; at less strength, halfway to it."""
    paint = draw_paint(draw)
    for geom in _geoms(draft, draw):
        own, picture = draft.own_colour(geom), draft.picture(geom)
        if picture is None:
            geom.rgba = [*_mixed(own, paint, draw.strength), 1.0]
        else:
            draft.show(geom, _mixed(own * picture, paint, draw.strength))


def textured(draft: Draft, draw: Draw) -> None:
    """With a texture of darker and lighter places in its own colour."""
    own = draft.seen_colour(_geoms(draft, draw)[0])
    cover(draft, draw, own * (1 - CONTRAST), np.minimum(own * (1 + CONTRAST), 1.0))


def polished(draft: Draft, draw: Draw) -> None:
    """With a sheen: a bright highlight of each light, that is broad (0.5 and 0.5 are MuJoCo's own, as mini's are)."""
    for geom in _geoms(draft, draw):
        material = draft.own_material(geom)
        material.specular += (1 - material.specular) * draw.strength
        material.shininess = min(material.shininess, 0.5 - 0.45 * draw.strength)


def cover(draft: Draft, draw: Draw, dark: np.ndarray, light: np.ndarray) -> None:
    """Give it a texture of two colours [3], by one of the family's rules; at less strength it is fainter."""
    import mujoco

    rules = RULES[draw.family]
    field = rules[draw.rng.integers(len(rules))](draw.rng)[..., None]
    geoms, name = _geoms(draft, draw), f"{NAME}_{draw.subject.surface[0]}"
    middle, own = (dark + light) / 2, draft.seen_colour(geoms[0])
    picture = _mixed(own, middle, draw.strength) + draw.strength * (field - 0.5) * (light - dark)
    material = draft.add_material(name)
    draft.give_texture(material, picture, mujoco.mjtTexture.mjTEXTURE_2D)
    if geoms[0].type == mujoco.mjtGeom.mjGEOM_PLANE:
        material.texrepeat = 2 * geoms[0].size[:2]  # once a metre: a table's is as large, a floor is larger
    for geom in geoms:
        geom.material, geom.rgba = name, np.ones(4)


def draw_paint(draw: Draw) -> np.ndarray:
    """RGB [3] of the family's hues, or of its dark greys."""
    hue, saturation, value = draw.angle(HUES), draw.rng.uniform(*SATURATIONS), draw.rng.uniform(*VALUES)
    dark = draw.rng.uniform(*DARK[draw.family])
    return np.full(3, dark) if draw.rng.random() < 0.5 else colour(hue, saturation, value)


def _geoms(draft: Draft, draw: Draw) -> list[Any]:
    named = [(draft.spec.geom(name), name) for name in draw.subject.surface]
    return [seen for geom, name in named for seen in ([geom] if geom else draft.looks_of(name))]


def _mixed(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return (1 - share) * own + share * other
