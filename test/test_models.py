"""Which bundle is meant."""

import pytest

from zipmo_ros import models
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.checkpoint import content_hash
from zipmo_ros.nodes.graph import GRAPHS
from zipmo_sim import suites


def test_a_suite_gets_the_bundle_that_knows_it():
    for name, known in models.shipped().items():
        planner = next((planner for planner in models.NAMED if name.endswith(f"-{planner}")), "zipmo")
        for suite in known:
            suites.tasks(suite)
            expected = share_path(f"checkpoints/{name}")
            assert models.bundle_path(None, suite, planner) == models.bundle_path(name) == expected
            assert GRAPHS["sim"].values({"suite": suite, "planner": planner})["checkpoint"] == name


def test_a_planners_name_picks_the_bundle_that_has_it(tmp_path, monkeypatch):
    """And none that has not."""
    for name in ("nano-mini", "nano-mini-arfm"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    monkeypatch.setattr(models, "share_path", lambda path: tmp_path / path)
    (tmp_path / "checkpoints/nano-mini-other").mkdir()
    assert models.shipped() == {"nano-mini": ("mini",), "nano-mini-arfm": ("mini",), "nano-mini-other": ()}
    assert models.bundle_path("nano-mini-other") == tmp_path / "checkpoints/nano-mini-other"
    for planner, name in ((None, "nano-mini"), ("", "nano-mini"), ("zipmo", "nano-mini"), ("arfm", "nano-mini-arfm"),
                          ("my_package:Planner", "nano-mini")):  # fmt: skip
        assert models.shipped_for("mini", planner) == name
        assert models.bundle_path(None, "mini", planner) == tmp_path / "checkpoints" / name
        for graph in ("sim", "arm"):
            assert GRAPHS[graph].values({"planner": planner or ""})["checkpoint"] == name
    with pytest.raises(ValueError, match="no shipped checkpoint with planner=atm was trained on 'mini'"):
        models.shipped_for("mini", "atm")


@pytest.mark.parametrize(("planner", "holds"), [("arfm", "planner"), ("atm", "planner"), ("zipmo", "arfm")])
def test_a_checkpoint_of_another_kind_is_an_error(planner, holds, tmp_path):
    checkpoint.write(tmp_path / "planner", holds, {}, {checkpoint.WEIGHTS: b"", checkpoint.STATS: b"{}"}, {})
    wanted = models.NAMED[planner]
    with pytest.raises(checkpoint.CheckpointError, match=f"planner holds a checkpoint of kind '{holds}', not {wanted}"):
        models.find_planner(planner, tmp_path)
    assert models.find_planner(None, tmp_path)


@pytest.mark.parametrize("name", models.shipped())
def test_a_shipped_bundle_is_small_and_has_a_card(name):
    bundle = models.bundle_path(name)
    rival = any(name.endswith(f"-{planner}") for planner in models.NAMED)
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < (15e6 if rival else 40e6)
    card = (bundle / "README.md").read_text()
    assert content_hash(bundle)[:12] in card
    assert "zipmo train" in card
    for load in (models.load_planner, models.load_policy):
        load(None, bundle, load_robot(), Execution())


def test_what_is_given_comes_first(tmp_path):
    assert models.bundle_path(tmp_path, "libero_object") == tmp_path
    assert GRAPHS["sim"].values({"suite": "libero_object", "checkpoint": "mine"})["checkpoint"] == "mine"


def test_no_bundle_says_what_there_is():
    with pytest.raises(ValueError, match=r"no shipped checkpoint was trained on 'libero_90'.*nano-mini: mini"):
        models.bundle_path(None, "libero_90")
    with pytest.raises(FileNotFoundError, match="no checkpoint directory 'nowhere', and those shipped are nano-mini"):
        models.bundle_path("nowhere")
