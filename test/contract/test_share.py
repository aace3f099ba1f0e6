"""Which bundle is meant."""

import pytest

from zipmo_policy.policy import Policy
from zipmo_ros.contract import share
from zipmo_ros.motion.checkpoint import content_hash
from zipmo_ros.motion.zipmo.generator import MotionGenerator
from zipmo_ros.nodes.graph import GRAPHS
from zipmo_sim import suites


def test_a_suite_gets_the_bundle_that_knows_it():
    for name, known in share.SHIPPED.items():
        for suite in known:
            suites.tasks(suite)
            assert share.bundle_path(None, suite) == share.bundle_path(name) == share.share_path(f"checkpoints/{name}")
            assert GRAPHS["sim"].values({"suite": suite})["checkpoint"] == name


@pytest.mark.parametrize("name", share.SHIPPED)
def test_a_shipped_bundle_is_small_and_has_a_card(name):
    bundle = share.bundle_path(name)
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < 40e6
    card = (bundle / "README.md").read_text()
    assert content_hash(bundle)[:12] in card
    assert "zipmo train planner" in card
    MotionGenerator.load(bundle)
    Policy.load(bundle)


def test_what_is_given_comes_first(tmp_path):
    assert share.bundle_path(tmp_path, "libero_object") == tmp_path
    assert GRAPHS["sim"].values({"suite": "libero_object", "checkpoint": "mine"})["checkpoint"] == "mine"


def test_no_bundle_says_what_there_is():
    with pytest.raises(ValueError, match=r"no shipped checkpoint was trained on 'libero_goal'.*nano-mini: mini"):
        share.bundle_path(None, "libero_goal")
    with pytest.raises(FileNotFoundError, match="no checkpoint directory 'nowhere', and those shipped are nano-mini"):
        share.bundle_path("nowhere")
