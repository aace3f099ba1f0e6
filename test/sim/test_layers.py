"""Pictures in layers are those that are drawn at once, to the bit, and what stands still is not drawn again."""

import numpy as np
import pytest

from zipmo_sim.rendering import LOOKS, select_backend

select_backend()  # before anything imports mujoco

from zipmo_sim.suites import make_env, tasks  # noqa: E402

ACTIONS = np.random.default_rng(1).uniform(-1, 1, (12, 7)).repeat(2, axis=0)


@pytest.fixture
def env():
    env = make_env("mini", tasks("mini")[0].name, image_every=10**9)
    env.reset(options={"init_state": 0})
    yield env
    env.close()


def at_once(renderer):
    return {view: renderer._draw(view, renderer._shown(camera)) for view, camera in renderer._cameras.items()}


def check(env):
    """Both views, with depth, as drawn at once."""
    renderer = env._view_renderer()
    images, depths = renderer.views_and_depths()
    for view, drawing in at_once(renderer).items():
        assert np.array_equal(images[view], drawing.image)
        assert np.array_equal(depths[view], renderer._metres(drawing.depth))


def test_an_episode(env):
    model, layers = env.sim.model._model, env._view_renderer()._layers["agentview"]
    table = np.flatnonzero((model.geom_bodyid == model.body("table").id) & (model.geom_group == 1))
    drawn, draw = [], layers._draw
    layers._draw = lambda shown: drawn.append(shown[table].all()) or draw(shown)
    for action in ACTIONS:
        env.step(action)
        check(env)
    assert len(ACTIONS) < len(drawn) <= 2 * len(ACTIONS)
    assert 1 <= sum(drawn) < 8  # until it is known what moves, and where a link sets out later


def test_what_is_moved_recoloured_or_seen_through(env):
    model = env.sim.model._model
    thing = next(iter(env.object_poses()))
    geoms = np.flatnonzero(model.geom_bodyid == model.body(f"{thing}_main").id)
    for step, action in enumerate(ACTIONS):
        env.step(action)
        if step == 8:
            env.sim.data.set_joint_qpos(f"{thing}_joint0", [0.1, 0.1, 1.2, 1, 0, 0, 0])
            env.sim.forward()
        if step == 14:
            model.geom_matid[geoms] = -1
            model.geom_rgba[geoms] = (1, 0, 1, 1)
        if step in (15, 17):
            model.site_rgba[:, 3] = 1.0 if step == 15 else -1.0
        if step == 18:
            model.geom_rgba[geoms, 3] = 0.5
        check(env)
    image = env.render_views()["agentview"].astype(int)
    assert (image[..., 0] - image[..., 1] > 40).any()  # it is to be seen


def test_another_episode_and_another_camera(env):
    for state in (3, 4):
        env.reset(options={"init_state": state})
        for action in ACTIONS[:10]:
            env.step(action)
            check(env)
    env.sim.model._model.cam_pos[:, 2] += 0.02
    env.sim.forward()
    check(env)
    env.step(ACTIONS[0])
    check(env)


@pytest.mark.parametrize("look", ["full", "coarse"])
def test_layers_are_for_looks_without_mirrors_and_soft_edges(env, look):
    env._close_renderer()
    env.render_settings = LOOKS[look]
    assert bool(env._view_renderer()._layers) == (look == "coarse")
