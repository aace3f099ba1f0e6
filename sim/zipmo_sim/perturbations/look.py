"""Looks for training: everything that is seen of a scene drawn at once, wider than what is reported.

Textures, hues, directions of light and distractors come from training's own families (draw.py). A demonstration is
executed first; an expert does not look. So one may be rendered in several looks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zipmo_sim.perturbations import bodies, camera, clutter, light, move, surface, thing
from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw
from zipmo_sim.perturbations.subject import Perturbable

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

OFTEN = 0.6  # how probable each part of a look is
YAW = np.deg2rad(50)
_HAND = 0.1  # m around a hand that is low
_LOW = 0.15  # m above the surface


def _glazed(draft: Draft, draw: Draw) -> None:
    """Each thing in a colour of its own."""
    first = (draw.subject.thing,) if draw.subject.thing else ()
    glazed = _movable(draft) if draw.subject.glazed is None else set(draw.subject.glazed)
    for body in (*first, *sorted(glazed - set(first))):
        thing.tinted(draft, draw, body)


def _covered(draft: Draft, draw: Draw) -> None:
    """The surface in two colours, by a texture."""
    surface.cover(draft, draw, surface.draw_paint(draw), surface.draw_paint(draw))


def _behind(draft: Draft, draw: Draw) -> None:
    """Floor and walls, where these are in sight, each in two colours, by a texture; all walls alike."""
    walls = tuple(geom for geom in draw.subject.behind if geom.startswith("wall"))
    for geoms in (walls, tuple(geom for geom in draw.subject.behind if geom not in walls)):
        if present := tuple(geom for geom in geoms if draft.spec.geom(geom)):
            there = replace(draw, subject=replace(draw.subject, surface=present))
            surface.cover(draft, there, surface.draw_paint(draw), surface.draw_paint(draw))


def _cluttered(draft: Draft, draw: Draw) -> None:
    clutter.added(draft, draw, solid=False)


# What a look is made of, and the greatest strength: 1 is the strongest that is reported.
PARTS: Mapping[Callable[[Draft, Draw], None], float] = {
    camera.turned: 1.2, camera.displaced: 1.5, camera.zoomed: 1.4,
    light.dimmed: 1.2, light.tinted: 1.0, light.moved: 1.0,
    surface.painted: 1.0, _covered: 1.0, _glazed: 1.0, _cluttered: 1.0, _behind: 1.0,
}  # fmt: skip


def vary_layout(env: ManipulationEnv, subject: Perturbable, rng: np.random.Generator, aside: float = 0.0) -> None:
    """Turn everything that stands at rest, each by an angle of its own, put what is taken up to `aside` (m) aside, and
    call that the episode's beginning.

    One thing alone is put elsewhere, and not far: things in a row keep their order, which sentences may tell. Where
    the subject says that nothing turns, nothing happens.
    """
    if not subject.turns:
        return
    for body in bodies.things(env, subject):
        if body == subject.thing or body not in subject.fixtures:
            bodies.turn(env, body, rng.uniform(-YAW, YAW))
    if aside and rng.random() < OFTEN:
        offset = move.aside(env, subject, subject.thing, rng.uniform(0, aside), rng)
        bodies.shift(env, subject.thing, offset)
    env.begin()


@contextlib.contextmanager
def dressed(
    env: ManipulationEnv, subject: Perturbable, rng: np.random.Generator, states: np.ndarray
) -> Iterator[ManipulationEnv]:
    """The environment in another look, to render states [S, 1 + nq + nv] of an episode in; it can't be stepped.

    Joints, bodies and fixtures are as they were; distractors stand where nothing of these states passes.
    """
    draft, fixtures = Draft(env), env.fixture_poses()
    scattered = None
    for part, widest in PARTS.items():
        draw = Draw(rng, rng.uniform(0, widest), "training", subject)
        if rng.random() < OFTEN:
            part(draft, draw)
            scattered = draw if part is _cluttered else scattered
    taken = _taken(env, subject, states) if scattered else []
    before = draft.install()
    env.sim.model._model.site_rgba[:] = before.model._model.site_rgba  # robosuite hides the hand's when it is reset
    env.set_fixture_poses(fixtures)
    try:
        if scattered:
            clutter.scatter(env, scattered, taken)
        yield env
    finally:
        env.exchange(before)


def _taken(env: ManipulationEnv, subject: Perturbable, states: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Circles (middle [2], radius m) in which something is in any of these states."""
    circles = []
    for state in states:
        env.set_state(state)
        circles += [bodies.circle(env, name) for name in bodies.things(env, subject)]
        hand = env.eef_pose()[0]
        if hand[2] < subject.height + _LOW:
            circles.append((hand[:2], _HAND))
    return circles


def _movable(draft: Draft) -> set[str]:
    """Bodies that have a free joint."""
    import mujoco

    free = mujoco.mjtJoint.mjJNT_FREE
    return {body.name for body in draft.spec.worldbody.bodies if any(joint.type == free for joint in body.joints)}
