"""Which bundle is meant."""

import pytest

from zipmo_ros import models
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path
from zipmo_ros.motion.checkpoint import content_hash
from zipmo_ros.nodes.graph import GRAPHS
from zipmo_sim import suites


def test_a_suite_gets_the_bundle_that_knows_it():
    for name, known in models.shipped().items():
        for suite in known:
            suites.tasks(suite)
            assert models.bundle_path(None, suite) == models.bundle_path(name) == share_path(f"checkpoints/{name}")
            assert GRAPHS["sim"].values({"suite": suite})["checkpoint"] == name


@pytest.mark.parametrize("name", models.shipped())
def test_a_shipped_bundle_is_small_and_has_a_card(name):
    bundle = models.bundle_path(name)
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < 40e6
    card = (bundle / "README.md").read_text()
    assert content_hash(bundle)[:12] in card
    assert "zipmo train planner" in card
    for load in (models.load_planner, models.load_policy):
        load(None, bundle, load_robot(), Execution())


def test_what_is_given_comes_first(tmp_path):
    assert models.bundle_path(tmp_path, "libero_object") == tmp_path
    assert GRAPHS["sim"].values({"suite": "libero_object", "checkpoint": "mine"})["checkpoint"] == "mine"


def test_no_bundle_says_what_there_is():
    with pytest.raises(ValueError, match=r"no shipped checkpoint was trained on 'libero_goal'.*nano-mini: mini"):
        models.bundle_path(None, "libero_goal")
    with pytest.raises(FileNotFoundError, match="no checkpoint directory 'nowhere', and those shipped are nano-mini"):
        models.bundle_path("nowhere")
