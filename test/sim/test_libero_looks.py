"""Looks for training in LIBERO's scenes: all is seen otherwise, but what a sentence calls by its colour."""

import numpy as np
import pytest

from zipmo_sim import suites
from zipmo_sim.perturbations.look import dressed, vary_layout

pytestmark = pytest.mark.libero

MUGS = "LIVING_ROOM_SCENE5_put_the_white_mug_on_the_left_plate_and_put_the_yellow_and_white_mug_on_the_right_plate"


def colours(env):
    """{body: RGBA of the geoms that are seen of it}."""
    model = env.sim.model._model
    seen = np.flatnonzero(model.geom_group == 1)
    roots = [env.sim.model.body_id2name(model.body_rootid[model.geom_bodyid[geom]]) for geom in seen]
    return {name: model.geom_rgba[[geom for geom, root in zip(seen, roots, strict=True) if root == name]].copy()
            for name in set(roots)}  # fmt: skip


def test_a_look_changes_all_but_what_has_its_colour_in_its_name():
    env = suites.make_env("libero_10", MUGS, image_every=0)
    try:
        env.reset(options={"init_state": 100})
        state, scene = env.get_state(), suites.scenery("libero_10", MUGS)
        vary_layout(env, scene, np.random.default_rng(0))
        assert np.array_equal(env.get_state(), state), "sentences say where things stand, so they stay"
        plain, before, changed = env.render_views(), colours(env), set()
        marks = env.landmarks()
        rng = np.random.default_rng(0)
        for _ in range(3):
            with dressed(env, scene, rng, state[None]):
                env.set_state(state)
                changed |= {name for name, seen in before.items() if not np.array_equal(colours(env)[name], seen)}
                assert all(np.array_equal(marks[name], mark) for name, mark in env.landmarks().items())
                other = env.render_views()
            assert all(np.abs(other[view].astype(int) - plain[view]).mean() > 3 for view in plain)
        assert {"plate_1_main", "plate_2_main", "living_room_table", "floor"} <= changed
        assert not {name for name in changed if "mug" in name}
        env.set_state(state)
        assert all(np.array_equal(plain[view], image) for view, image in env.render_views().items())
    finally:
        env.close()


@pytest.mark.parametrize("suite", [name for name, entry in suites.SUITES.items() if entry.libero and not entry.base])
def test_every_task_says_what_its_scene_looks_like(suite):
    for task in suites.tasks(suite):
        scene = suites.scenery(suite, task.name)
        assert scene.surface
        assert scene.surface[0] not in scene.behind
        assert set(scene.fixtures) <= set(scene.glazed)
