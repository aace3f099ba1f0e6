"""Planner and autoencoder alone: the baselines see no future, and the figures are those of the definitions."""

import dataclasses

import pytest
import torch
from window_stubs import SENTENCES, make_windows

from zipmo_ros.evaluation.bench import wake
from zipmo_ros.evaluation.motion_baselines import chosen_windows, constant_velocity, nearest_windows
from zipmo_ros.evaluation.motion_scores import (
    POOLED,
    PREDICTORS,
    PlanErrors,
    Subject,
    measure,
    moving_by_variance,
)
from zipmo_ros.motion.zipmo.config import planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

POISON = 1e3


def moving_windows():
    """Every point of demonstration 0 goes (0.02, -0.01) a step; what lies ahead of step 2 is poisoned."""
    generator = torch.Generator().manual_seed(1)
    starts = torch.rand(4, 2, 24, 1, 2, generator=generator) - 0.5
    tracks = starts + torch.arange(16)[:, None] * torch.tensor([0.02, -0.01])
    tracks[0, :, :, 3:] = POISON
    tracks[2, :, :, 1:] = POISON
    return make_windows(tracks=tracks)


def test_uniform_motion_goes_on_and_no_future_is_read():
    queries = torch.rand(2, 7, 2)
    tracks = constant_velocity(moving_windows(), 2, queries)
    expected = queries[:, :, None] + torch.arange(16)[:, None] * torch.tensor([0.02, -0.01])
    torch.testing.assert_close(tracks, expected)


def test_without_a_past_nothing_moves():
    queries = torch.rand(2, 7, 2)
    assert torch.equal(constant_velocity(moving_windows(), 0, queries), queries[:, :, None].expand(2, 7, 16, 2))


def test_older_windows_tell_too_and_hidden_points_do_not():
    """Three windows of one demonstration; of the two before, the newer knows only a hidden point near the query."""
    tracks = torch.full((3, 2, 24, 16, 2), 0.9)
    tracks[0, :, 0, :5] = torch.tensor([0.1, 0.1]) + torch.arange(5)[:, None] * torch.tensor([0.0, 0.01])
    tracks[1, :, 0, :3] = torch.tensor([0.1, 0.14]) + torch.arange(3)[:, None] * torch.tensor([0.5, 0.5])
    visible = torch.ones(3, 2, 24, 16, dtype=torch.bool)
    visible[1, :, 0, 2] = False
    windows = make_windows(3, tracks=tracks, visible=visible, demo=torch.zeros(3, dtype=torch.int64),
                           step=torch.tensor([0, 2, 4]))  # fmt: skip
    (track,) = constant_velocity(windows, 2, torch.tensor([0.1, 0.14]).expand(2, 1, 2))[0]
    torch.testing.assert_close(track[10], torch.tensor([0.1, 0.24]))


def test_the_nearest_window_is_of_another_demonstration_with_the_same_sentence():
    windows = make_windows(6, sentence=torch.tensor([0, 0, 0, 0, 0, 1]))
    images = windows.images.clone()
    images[5] = images[4] = images[0]  # 4: the same demonstration; 5: another sentence
    images[3] = (images[0].int() + 9).clamp(0, 255).to(torch.uint8)
    windows = dataclasses.replace(windows, images=images)
    assert nearest_windows(windows, torch.tensor([0]), torch.arange(6)).tolist() == [3]
    with pytest.raises(ValueError, match="turn the lever to the left"):
        nearest_windows(windows, torch.tensor([5]), torch.arange(6))


def test_chosen_windows_keep_rows_together():
    part = chosen_windows(make_windows(), torch.tensor([3, 0]))
    assert part.step.tolist() == [2, 0]
    assert len(part) == 2
    assert part.sentences == SENTENCES


def test_min_and_mean_are_over_plans_then_over_windows():
    """Two windows, two plans: every point off by 1 and 3 px, and by 2 and 2 px, along one axis."""
    target = torch.zeros(2, 3, 4, 2)
    predicted = torch.zeros(2, 2, 3, 4, 2)
    predicted[..., 0] = torch.tensor([[1.0, 3.0], [2.0, 2.0]])[:, :, None, None] / 64
    moving = torch.tensor([[True, False, False], [False, False, False]])
    errors = PlanErrors()
    errors.add("planner", "agentview", predicted, target, moving)
    errors.add("planner", "eye_in_hand", 0 * predicted, target, moving)
    rows = {(row["k"], row["view"], row["points"]): row for row in errors.rows()}
    assert rows[2, "agentview", "all"]["min_mse"] == pytest.approx((0.5 + 2) / 2)
    assert rows[2, "agentview", "all"]["mean_mse"] == pytest.approx((2.5 + 2) / 2)
    assert rows[1, "agentview", "all"]["mean_mse"] == rows[1, "agentview", "all"]["min_mse"] == pytest.approx(1.25)
    assert rows[2, "agentview", "moving"]["mean_fde"] == pytest.approx(2.0), "the second window has no moving point"
    assert rows[2, POOLED, "all"]["min_mse"] == pytest.approx((0.5 + 2 + 0 + 0) / 4)
    assert errors.growth()["planner"]["agentview"] == [2.0] * 4


def subject():
    """Untrained, but with no matrix left at zero: otherwise all plans would be the same."""
    torch.manual_seed(0)
    vae, planner = TrackVAE(dataclasses.replace(vae_nano(), points_in=8)).eval(), MotionPlanner(planner_nano()).eval()
    wake(vae)
    wake(planner)
    return Subject(vae, planner)


def test_measure():
    generator = torch.Generator().manual_seed(2)
    steps = 0.01 * torch.randn(6, 2, 24, 16, 2, generator=generator)
    steps[:, :, :, 0] = 0
    moving = torch.rand(6, 2, 24, generator=generator) < 0.5
    tracks = torch.rand(6, 2, 24, 1, 2, generator=generator) + steps.cumsum(3) * moving[..., None, None]
    windows = make_windows(6, tracks=tracks.half(), moving=moving)
    chosen, training = torch.tensor([0, 3, 4]), torch.arange(6)
    done = []
    report = measure(subject(), windows, chosen, training, draws=3, steps=2, seed=5, progress=done.append)
    assert sum(done) == 3
    rows = {(row["predictor"], row["k"], row["view"], row["points"]): row for row in report["predictions"]}
    assert {key[0] for key in rows} == set(PREDICTORS)
    assert {key[1] for key in rows if key[0] == "planner"} == {1, 3}
    uniform = windows.tracks[chosen][:, 0, 12:].float()
    still = ((uniform - uniform[:, :, :1]) * 64).square().mean()
    assert rows["still", 1, "agentview", "all"]["mean_mse"] == pytest.approx(float(still), abs=1e-3)
    assert rows["another", 1, "agentview", "all"] != {**rows["planner", 1, "agentview", "all"], "predictor": "another"}
    best, mean = (rows["planner", 3, POOLED, "all"][f"{kind}_mse"] for kind in ("min", "mean"))
    assert 0 < best < mean
    held, given = (report["autoencoder"][kind]["both"] for kind in ("held_out", "encoded"))
    assert 0 < held["epe"] != given["epe"] > 0
    assert {"pck1", "pck2_moving", "still_epe_moving"} <= set(held)
    assert report["without_past"] == 1
    assert len(report["growth"]["planner"]["eye_in_hand"]) == 16
    assert measure(subject(), windows, chosen, training, draws=3, steps=2, seed=5) == report
    assert measure(subject(), windows, chosen, training, draws=3, steps=2, seed=6) != report


def test_reconstruction_is_split_into_all_points_without_overlap():
    windows = make_windows(tracks=torch.rand(4, 2, 24, 16, 2))
    _, given = subject().encode(windows, torch.Generator().manual_seed(0))
    assert given.shape == windows.moving.shape
    assert (given.sum(-1) == 8).all()


def test_what_moves_by_variance_is_seen_and_no_more_than_asked_for():
    """Points go back and forth by as many pixels as their number: variance is that squared."""
    sizes, turns = torch.arange(6.0), torch.tensor([1.0, -1.0]).repeat(8)
    tracks = torch.zeros(1, 2, 6, 16, 2)
    tracks[..., 0] = sizes[:, None] * turns / 64
    visible = torch.ones(1, 2, 6, 16, dtype=torch.bool)
    visible[:, 1, 5, 0] = False
    generator = torch.Generator().manual_seed(0)
    every = moving_by_variance(tracks, visible, generator, points=32, threshold=4.5)
    assert every[0].int().tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0]]
    few = moving_by_variance(tracks, visible, generator, points=2, threshold=4.5)
    assert few.sum(-1).tolist() == [[2, 2]]
    assert not (few & ~every).any()
