"""A control step is robosuite's own, to the bit."""

import mujoco
import numpy as np
import pytest

from zipmo_sim import env as environments
from zipmo_sim import suites


@pytest.mark.parametrize(
    ("suite", "task"),
    [
        ("mini", "turn_lever_left"),
        pytest.param("libero_goal", "turn_on_the_stove", marks=pytest.mark.libero),
    ],
)
def test_states_are_those_of_robosuite(suite, task, monkeypatch):
    """Down onto the table and along it, the fingers opening and shutting; and the colours that LIBERO sets after it."""
    env = suites.make_env(suite, task, image_every=0)
    assert env.sim.model._model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (30, 7)) * [1, 1, 0.3, 0.5, 0.5, 0.5, 1] - [0, 0, 0.7, 0, 0, 0, 0]

    def states():
        env.reset(options={"init_state": 1})
        found = []
        for action in actions:
            env.step(action)
            data = env.sim.data
            found.append(
                np.concatenate([env.get_state(), data.site_xpos.ravel(), data.ctrl, env.sim.model.site_rgba.ravel()])
            )
        return np.stack(found)

    ours, calls = states(), []
    monkeypatch.setattr(environments, "control_step", lambda scene, action: (calls.append(1), scene.step(action)))
    theirs = states()
    assert len(calls) >= len(actions)
    np.testing.assert_array_equal(ours, theirs)
    assert np.abs(np.diff(ours, axis=0)).max() > 0.01
    assert "forward" not in vars(env.sim)  # it was put aside for the step alone
    env.close()
