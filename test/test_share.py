"""Which bundle is meant."""

import pytest

from zipmo_ros import share
from zipmo_ros.nodes.graph import GRAPHS
from zipmo_sim import suites


def test_a_suite_gets_the_bundle_that_knows_it():
    for name, known in share.SHIPPED.items():
        for suite in known:
            suites.tasks(suite)
            assert share.bundle_path(None, suite) == share.bundle_path(name) == share.share_path(f"checkpoints/{name}")
            assert GRAPHS["sim"].values({"suite": suite})["checkpoint"] == name


def test_what_is_given_comes_first(tmp_path):
    assert share.bundle_path(tmp_path, "libero_object") == tmp_path
    assert GRAPHS["sim"].values({"suite": "libero_object", "checkpoint": "mine"})["checkpoint"] == "mine"


def test_no_bundle_says_what_there_is():
    with pytest.raises(ValueError, match=r"no shipped checkpoint was trained on 'libero_goal'.*nano-mini: mini"):
        share.bundle_path(None, "libero_goal")
    with pytest.raises(FileNotFoundError, match="no checkpoint directory 'nowhere', and those shipped are nano-mini"):
        share.bundle_path("nowhere")
