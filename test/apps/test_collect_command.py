"""`zipmo collect leader=...`: the model that acts first."""

import numpy as np

from zipmo_ros.apps.collect import _load_leader
from zipmo_ros.evaluation.evaluate import resolve
from zipmo_ros.evaluation.leading import LEAST, MOST
from zipmo_sim import suites


def test_a_bundle_leads():
    run = resolve(suite="mini", checkpoint=None, via="direct", seed=0, replan_every=2, nfe=None, ensemble="intended")
    leader = _load_leader(run)
    assert leader.image_every == 2
    assert len(leader.name.split("-")) == 3, "the hashes of what it is made of"
    env = suites.make_env("mini", "put_milk_in_left_bin", image_every=0)
    try:
        env.reset(options={"init_state": 0})
        before = env.eef_pose()[0]
        steps = leader.lead(env, np.random.default_rng(0))
        moved = np.linalg.norm(env.eef_pose()[0] - before)
    finally:
        env.close()
    assert LEAST <= steps < MOST
    assert moved > 0.02, "m, in half a second or more"
