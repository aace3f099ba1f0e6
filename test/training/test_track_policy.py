"""The policy of tracks: what it is given in training, what it looks at, and that it learns."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from training_settings import stage_options, train_config
from window_stubs import make_windows

from zipmo_policy.policy import TrackInverseDynamics
from zipmo_policy.stages.tracks import TrackPolicyOptions, TrackPolicyStage
from zipmo_policy.track_head import TrackPolicy, base, nano
from zipmo_ros.apps import train
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.models import load_policy
from zipmo_ros.training.loop import fit

ROBOT = load_robot()
COMMON = {"validation_states": (23, 24), "seed": 0, "device": "cpu"}
SMALL = dataclasses.replace(nano(), width=64, encoder_depth=1, depth=1)


def make_policy():
    torch.manual_seed(0)
    model = TrackPolicy(SMALL)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def numbers(count=8, seed=0):
    """Windows with proprioception, actions and tracks."""
    generator = torch.Generator().manual_seed(seed)
    tracks = torch.rand(count, 2, 24, 1, 2, generator=generator) - 0.5
    way = torch.rand(count, 1, 1, 1, 2, generator=generator) * 0.04 - 0.02
    actions = torch.zeros(count, 16, 7)
    actions[:, :, :2] = 20 * way[:, 0, 0]
    moving = torch.arange(24) < 12
    return make_windows(
        count, tracks=tracks + way * torch.arange(16)[:, None] * moving[:, None, None], actions=actions,
        proprio=torch.randn(count, 9, generator=generator),
    )  # fmt: skip


def make_stage(windows, **options):
    chosen = stage_options(TrackPolicyOptions, "track_policy", points=12, least_points=4, batch_size=8, **options)
    return TrackPolicyStage(windows, make_policy(), chosen, **COMMON)


@torch.no_grad()
def test_tracks_that_are_not_there_have_no_influence_and_the_order_means_nothing():
    model, tracks, proprio = make_policy(), torch.rand(3, 2, 6, 16, 2) - 0.5, torch.randn(3, 9)
    chunk = model(tracks, proprio)
    assert chunk.shape == (3, 16, 7)
    torch.testing.assert_close(model(tracks.flip(2), proprio), chunk, atol=1e-5, rtol=1e-4)
    valid = torch.ones(3, 2, 6, dtype=torch.bool)
    valid[:, :, 4:] = False
    other = torch.where(valid[..., None, None], tracks, 0.9)
    torch.testing.assert_close(model(other, proprio, valid), model(tracks, proprio, valid), atol=1e-6, rtol=0)
    torch.testing.assert_close(model(tracks[:, :, :4], proprio), model(tracks, proprio, valid), atol=1e-5, rtol=1e-4)
    assert (model(other, proprio) - chunk).abs().max() > 1e-3
    for changed in (tracks[..., 1:, :] * 1.5, tracks[..., 1:, :].flip(-1)):
        moved = torch.cat([tracks[..., :1, :], changed], dim=-2)
        assert (model(moved, proprio) - chunk).abs().max() > 1e-3, "it sees motion, of both axes"
    assert (model(tracks, -proprio) - chunk).abs().max() > 1e-3
    with pytest.raises(ValueError, match="tracks must be"):
        model(tracks[:, :1], proprio)


def test_sizes():
    with torch.device("meta"):
        small, large = TrackPolicy(nano()), TrackPolicy(base())
    assert sum(p.numel() for p in small.parameters()) < 2e6
    assert sum(p.numel() for p in large.tracks.parameters()) > 85e6


def test_a_batch_is_what_it_says():
    visible = torch.ones(8, 2, 24, 16, dtype=torch.bool)
    visible[:, :, 12:, 0] = False
    windows = dataclasses.replace(numbers(), visible=visible)
    stage = make_stage(windows, track_noise=0.0, proprio_noise=0.0, by_movement=0.0)
    batch = stage.collate(torch.arange(8), torch.Generator().manual_seed(0))
    assert batch.tracks.shape == (8, 2, 12, 16, 2)
    starts = windows.tracks[:, :, :12, 0]
    assert (batch.tracks[:, :, :, None, 0] - starts[:, :, None]).abs().amax(-1).amin(-1).max() < 1e-6, "seen at first"
    counts = batch.valid.sum(-1)
    assert (counts[:, 0] == counts[:, 1]).all()
    assert counts.min() >= 4
    assert len(counts.unique()) > 2
    noisy = make_stage(windows, track_noise=2.0, proprio_noise=0.0, by_movement=0.0)
    other = noisy.collate(torch.arange(8), torch.Generator().manual_seed(0))
    off = (other.tracks - batch.tracks) * 128
    assert off[:, :, :, 0].abs().max() == 0, "where they start is known"
    assert 1 < off[:, :, :, 1:].diff(dim=3).abs().max() < 12
    assert off[..., -1, :].std() > 2 * off[..., 1, :].std()


def test_moving_points_are_drawn_more_often_where_they_are_asked_for():
    tracks = torch.zeros(8, 2, 24, 16, 2)
    tracks[:, :, ::4] = torch.arange(16)[:, None] * 0.05
    windows = dataclasses.replace(numbers(), tracks=tracks)
    shares = []
    for by_movement in (1.0, 0.0):
        batch = make_stage(windows, track_noise=0.0, by_movement=by_movement).collate(
            torch.arange(8), torch.Generator().manual_seed(0)
        )
        shares.append((batch.tracks[..., -1, 0] > 0.1).float().mean())
    assert shares[0] == 0.5, "all of the six"
    assert shares[1] < 0.35


def test_it_learns_to_act_on_tracks(tmp_path):
    windows = numbers(16)
    stage = make_stage(windows, track_noise=0.0, proprio_noise=0.0)
    with torch.no_grad():
        before = stage.validate(stage.model)["xyz_l1"]
    config = train_config(max_steps=80, warmup_steps=5, learning_rate=3e-3, ema_decay=0.8)
    model = fit(stage.model, stage.loss, stage.batches, config, tmp_path).model
    with torch.no_grad():
        after = stage.validate(model)
    assert after["xyz_l1"] < 0.35 * before
    assert {"l1", "uniform_l1", "gripper"} <= after.keys()


def test_the_command_leaves_a_policy_of_any_planners_tracks(demonstrations, tmp_path):
    quick = ["train.max_steps=2", "train.warmup_steps=1", "stage.batch_size=4", "stage.validation_windows=8"]
    size = ["+model.track_policy.width=64", "+model.track_policy.encoder_depth=1", "+model.track_policy.depth=1"]
    data, out = f"data={demonstrations}", f"out={tmp_path}/bundle/policy"
    assert train.main(["track_policy", data, out, f"cache={tmp_path}/cache", *quick, *size]) == 0
    assert json.loads((tmp_path / "bundle/policy/config.json").read_text())["kind"] == "track_policy"
    policy = load_policy(None, tmp_path / "bundle", ROBOT, Execution())
    assert isinstance(policy, TrackInverseDynamics)
    seen, goal = Observation(5, 0, {}, np.zeros(9, np.float32)), Sentence("go")
    for points in (3, 40):
        tracks = np.random.default_rng(points).uniform(-1, 1, (1, 2, points, 16, 2)).astype(np.float32)
        assert policy.act(seen, goal, MotionPlan.of_tracks(5, goal, tracks, ROBOT.period_ns)).shape == (16, 7)


def test_options_are_checked():
    for changes, words in (({"least_points": 0}, "from 1 to points"), ({"by_movement": 1.5}, "share")):
        with pytest.raises(ValueError, match=words):
            stage_options(TrackPolicyOptions, "track_policy", **changes)
