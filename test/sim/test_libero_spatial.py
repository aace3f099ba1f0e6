"""libero_spatial: two black bowls, of which the sentence names one by where it stands."""

from collections.abc import Iterator

import numpy as np
import pytest

from zipmo_sim import suites
from zipmo_sim.experts import make_expert
from zipmo_sim.provenance import model_hash
from zipmo_sim.suites.libero.env import LiberoEnv

SUITE = "libero_spatial"
pytestmark = pytest.mark.libero


@pytest.fixture(params=["on_the_ramekin", "in_the_top_drawer_of_the_wooden_cabinet"])
def env(request) -> Iterator[LiberoEnv]:
    env = suites.make_env(SUITE, f"pick_up_the_black_bowl_{request.param}_and_place_it_on_the_plate", image_every=0)
    yield env
    env.close()


def test_the_expert_sets_the_bowl_that_is_meant_on_the_plate(env):
    """The hard ones: above another thing, and between the walls of a drawer, which are higher than the rim."""
    env.reset(options={"init_state": 3})
    bowl, plate = env.objects_of_interest
    (other,) = (name for name in env.object_poses() if "bowl" in name and name != bowl)
    before = env.object_poses()[other][0]
    expert = make_expert(env, np.random.default_rng(0), noise=0.1)
    done = truncated = False
    while not (done or truncated):
        _, _, done, truncated, info = env.step(expert.disturb(expert.act()))
    assert done, info["failures"]
    poses = env.object_poses()
    assert np.linalg.norm(poses[bowl][0][:2] - poses[plate][0][:2]) < 0.03
    assert np.linalg.norm(poses[other][0] - before) < 0.02


def test_a_scene_is_the_same_wherever_its_fixtures_stand(env):
    scene, xml, poses = model_hash(env), env.sim.model.get_xml(), env.fixture_poses()
    name = "wooden_cabinet_1"
    env.set_fixture_poses({name: (poses[name][0] + [0.01, 0, 0], poses[name][1])})
    assert env.sim.model.get_xml() != xml
    assert model_hash(env) == scene
