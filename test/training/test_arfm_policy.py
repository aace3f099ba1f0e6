"""ARFM's policy: it is told the tracks as a whole, true ones in training, and acts on any plan of tracks."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from motion.conftest import awaken
from training_settings import stage_options

from zipmo_policy.arfm import ArfmPolicy, ArfmPolicyConfig, nano
from zipmo_policy.stages.arfm import ArfmPolicyOptions, ArfmPolicyStage
from zipmo_ros.apps import train
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.models import load_policy
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.sentences import Sentences

ROBOT, GO = load_robot(), Sentence("open the drawer")
COMMON = {"validation_states": (23, 24), "seed": 0, "device": "cpu"}


@torch.no_grad()
def test_it_is_told_the_tracks_as_a_whole():
    torch.manual_seed(0)
    model = awaken(ArfmPolicy(nano()))
    given = (torch.randint(0, 256, (2, 2, 128, 128, 3), dtype=torch.uint8), torch.randn(2, 384) / 20, torch.randn(2, 9))
    tracks = torch.rand(2, 2, 7, 16, 2) - 0.5
    actions = model(*given, tracks)
    assert actions.shape == (2, 16, 7)
    assert (model(*given, -tracks) - actions).abs().max() > 1e-4
    torch.testing.assert_close(model(*given, tracks.flip(2)), actions, atol=1e-5, rtol=1e-4)  # of no order
    assert model(*given, tracks[:, :, :3]).shape == (2, 16, 7)  # and of any number
    model.tracks_in.weight.zero_()
    assert torch.equal(model(*given, -tracks), model(*given, tracks))


def test_sizes():
    with torch.device("meta"):
        model = ArfmPolicy(nano())
        paper = ArfmPolicy(ArfmPolicyConfig()).tracks
    assert sum(p.numel() for p in model.parameters()) < 4e6
    assert len(paper.layers.layers) == 12
    with pytest.raises(ValueError, match="track encoder"):
        ArfmPolicyConfig(encoder_width=100)
    with pytest.raises(ValueError, match="a layer at least"):
        ArfmPolicyConfig(encoder_depth=0)


def test_tracks_lie_where_the_images_were_shifted_to(demonstrations):
    windows = DemonstrationWindows.load(demonstrations)
    words, model = Sentences(windows, nano().cloning.image.text), ArfmPolicy(nano())
    set_sentence_statistics(model, words.vectors)
    chosen = stage_options(ArfmPolicyOptions, "arfm_policy", points=6, track_noise=0.0)
    stage = ArfmPolicyStage(windows, model, words, chosen, **COMMON)
    indices, shifts = stage.training[:5], torch.tensor([[0.1, 0.0], [0.0, -0.2]]).expand(5, 2, 2)
    still, moved = (stage.tracks(indices, by, torch.Generator().manual_seed(0)) for by in (None, shifts))
    assert still.shape == (5, 2, 6, 16, 2)
    torch.testing.assert_close(moved - still, shifts[:, :, None, None].expand_as(still))
    true = windows.tracks[indices[0], 1].float()
    assert all((track == true).flatten(1).all(1).any() for track in still[0, 1])
    assert set(next(stage.batches).tracks.shape[1:]) == {2, 6, 16}
    stage.options = dataclasses.replace(chosen, track_noise=1.0)
    off = stage.tracks(indices, 0 * shifts, torch.Generator().manual_seed(0))
    assert torch.equal(off[:, :, :, 0], still[:, :, :, 0])
    assert 1e-4 < (off - still).abs().max() < 0.2


def test_the_command_leaves_a_policy(demonstrations, tmp_path):
    quick = ["train.max_steps=2", "train.warmup_steps=1", "stage.batch_size=2", "stage.validation_windows=4",
             "train.bf16=false", "rephrasings=null", "+model.arfm_policy.encoder_depth=1"]  # fmt: skip
    out = tmp_path / "bundle/arfm_policy"
    assert train.main(["arfm_policy", f"data={demonstrations}", f"out={out}", f"cache={tmp_path}/cache", *quick]) == 0
    description = json.loads((out / "config.json").read_text())
    assert (description["kind"], description["config"]["encoder_depth"]) == ("arfm_policy", 1)
    policy = load_policy("arfm_policy", tmp_path / "bundle", ROBOT, Execution())
    images = np.zeros((2, 128, 128, 3), np.uint8)
    seen = Observation(0, 0, dict(zip(ROBOT.views, images, strict=True)), np.zeros(9, np.float32))
    for points in (3, 30):
        plan = MotionPlan.of_tracks(0, GO, np.zeros((1, 2, points, 16, 2)), ROBOT.period_ns)
        assert policy.act(seen, GO, plan).shape == (16, 7)
    with pytest.raises(ValueError, match="can't act on"):
        policy.act(seen, GO, MotionPlan.of_tracks(0, GO, np.zeros((1, 1, 3, 16, 2)), ROBOT.period_ns))
