"""What is left out of a picture is not missed; coarse pictures are of the same physics."""

import os
import subprocess
import sys

import numpy as np
import pytest

from zipmo_sim.rendering import LOOKS, select_backend

select_backend()  # before anything imports mujoco

from zipmo_sim.coarse import coarse_meshes  # noqa: E402
from zipmo_sim.provenance import render_hash  # noqa: E402
from zipmo_sim.suites import make_env, render_settings, tasks  # noqa: E402

ACTIONS = np.random.default_rng(0).uniform(-1, 1, (4, 7)).repeat(3, axis=0)


@pytest.fixture
def env():
    env = make_env("mini", tasks("mini")[0].name)
    env.reset(options={"init_state": 0})
    yield env
    env.close()


def test_nothing_in_the_frame_is_left_out(env):
    renderer = env._view_renderer()
    for action in ACTIONS:
        images = env.step(action)[0]
        assert not renderer._in_frame("robot0_eye_in_hand").all()
        renderer._culls = False
        for view, image in env.render_views().items():
            assert np.array_equal(image, images[view])
        renderer._culls = True


def test_mirrors_and_shadows_show_what_is_out_of_the_frame(env):
    assert env._view_renderer()._culls
    env._close_renderer()
    env.render_settings = LOOKS["full"]
    assert not env._view_renderer()._culls
    env._close_renderer()
    env.render_settings = LOOKS["fast"]
    env.sim.model._model.light_castshadow[:] = 1
    assert not env._view_renderer()._culls


def test_meshes_are_coarse_for_a_while(env):
    model = env.sim.model._model
    before = [model.mesh_face.copy(), model.mesh_facenum.copy(), model.mesh_facenormal.copy()]
    with coarse_meshes(model, LOOKS["coarse"].merged):
        fewer = model.mesh_facenum.copy()
        assert ((fewer > 0) & (fewer <= before[1])).all()
        assert fewer.sum() < 0.7 * before[1].sum()
        for first, faces, count in zip(model.mesh_faceadr, fewer, model.mesh_vertnum, strict=True):
            face = model.mesh_face[first : first + faces]
            assert (face < count).all()
            assert (face != np.roll(face, 1, axis=1)).all()
    for kept, now in zip(before, [model.mesh_face, model.mesh_facenum, model.mesh_facenormal], strict=True):
        assert np.array_equal(kept, now)


def test_the_coarse_look_is_of_the_same_physics(env):
    fine = [env.step(action)[0] for action in ACTIONS]
    state = env.get_state()
    env.close()
    coarse = make_env("mini", env.task.name, render=render_settings("mini", "coarse"))
    coarse.reset(options={"init_state": 0})
    seen = [coarse.step(action)[0] for action in ACTIONS]
    assert np.array_equal(coarse.get_state(), state)
    apart = np.abs(np.stack([o["agentview"] for o in seen]) - np.stack([o["agentview"] for o in fine]).astype(float))
    assert 0 < apart.mean() < 3
    coarse.close()


def test_older_hashes_of_looks_hold():
    assert render_hash("mini") == "e63b08321aaf02fa18cba1d87e415bd5b634b40ab7f3fd81f37064afb8704cb0"  # nano-mini's data
    assert render_hash("mini", LOOKS["coarse"]) != render_hash("mini")


@pytest.mark.parametrize("installed", [True, False])
def test_triton_comes_before_mesa_where_it_is_installed(tmp_path, installed):
    """Whoever imports it with Mesa's LLVM in place crashes: PyTorch for GPUs brings it, transformers imports it."""
    if installed:
        (tmp_path / "triton.py").write_text("import sys\nassert 'mujoco' not in sys.modules\nprint('triton')\n")
    else:
        (tmp_path / "triton.py").write_text("raise ImportError('not for this machine')\n")
    code = "from zipmo_sim.rendering import select_backend; print(select_backend()); import mujoco"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "MUJOCO_GL": "osmesa"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split()) == (0, ["triton", "osmesa"] if installed else ["osmesa"]), run.stderr
