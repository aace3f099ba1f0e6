"""ARFM alone: its figures are those of the definitions, beside the baselines."""

import dataclasses

import pytest
import torch
from motion.arfm_models import TINY, tiny
from window_stubs import make_windows

from zipmo_ros.evaluation.motion_baselines import neighbour_motion
from zipmo_ros.evaluation.motion_scores import POOLED
from zipmo_ros.evaluation.track_scores import DeltaErrors, measure_tracks, of_arfm
from zipmo_ros.motion.metrics import share_within

PIXEL = 2 / 256


def test_shares_of_visible_points_within_a_distance():
    """Three points, two samples; 3, 5 and 100 px of a 256 px frame off, the last one hidden once."""
    target = torch.zeros(3, 2, 2)
    predicted = target + PIXEL * torch.tensor([3.0, 5.0, 100.0])[:, None, None] * torch.tensor([0.6, 0.8])
    counted = torch.ones(3, 2, dtype=torch.bool)
    counted[2, 1] = False
    torch.testing.assert_close(share_within(predicted, target, counted), torch.tensor([2.0, 4, 4, 4, 4]) / 5)
    at_four = target + PIXEL * torch.tensor([4.0, 0.0])
    assert share_within(at_four, target, counted)[0] == 0, "below, not at"
    assert share_within(predicted, target, torch.zeros_like(counted)).isnan().all()


def test_the_best_future_counts_for_deltas_and_all_for_ade():
    """Two futures of two windows: 3 and 20 px off; 40 px and nothing. The first sample is not scored."""
    target = torch.zeros(2, 3, 4, 2)
    predicted = torch.zeros(2, 2, 3, 4, 2)
    predicted[..., 1] = PIXEL * torch.tensor([[3.0, 20.0], [40.0, 0.0]])[:, :, None, None]
    predicted[..., 0, :] = 9.0
    visible = torch.ones(2, 3, 4, dtype=torch.bool)
    visible[0, 1:] = False
    errors = DeltaErrors()
    errors.add("planner", "agentview", predicted, target, visible)
    errors.add("planner", "eye_in_hand", predicted[:, :1], target, visible)
    rows = {row["view"]: row for row in errors.rows()}
    assert [rows["agentview"][f"delta{pixels}"] for pixels in (4, 8, 64)] == [1, 1, 1]
    assert rows["agentview"]["ade"] == pytest.approx((3 + 20 + 40 + 0) / 4, abs=1e-3)
    assert rows["eye_in_hand"]["delta"] == pytest.approx((1 + 1 / 5) / 2)
    assert rows[POOLED]["delta"] == pytest.approx((1 + 1 + 1 + 1 / 5) / 4)


def test_the_neighbours_points_show_where_to_go():
    """The nearest one that is visible; here it stands still, and the others go on."""
    tracks = torch.zeros(1, 2, 3, 4, 2)
    tracks[:, :, 1] = 0.5
    tracks[:, :, 2] = 0.45 + 0.1 * torch.arange(4)[:, None]
    visible = torch.ones(1, 2, 3, 4, dtype=torch.bool)
    windows = make_windows(1, points=3, tracks=tracks, visible=visible)
    queries = torch.full((1, 2, 1, 2), 0.52)
    torch.testing.assert_close(neighbour_motion(windows, queries), queries[:, :, :, None].expand(1, 2, 1, 4, 2))
    visible[:, :, 1, 0] = False
    moved = neighbour_motion(dataclasses.replace(windows, visible=visible), queries)
    torch.testing.assert_close(moved[0, 0, 0, 3], torch.tensor([0.82, 0.82]))


def test_measure():
    generator = torch.Generator().manual_seed(2)
    steps = 0.01 * torch.randn(6, 2, 24, 16, 2, generator=generator)
    steps[:, :, :, 0] = 0
    moving = torch.rand(6, 2, 24, generator=generator) < 0.5
    tracks = torch.rand(6, 2, 24, 1, 2, generator=generator) - 0.5 + steps.cumsum(3) * moving[..., None, None]
    windows = make_windows(6, tracks=tracks.half(), moving=moving)
    chosen, training, done = torch.tensor([0, 3]), torch.arange(6), []
    model = tiny()

    def measured(seed):
        return measure_tracks(
            of_arfm(model), windows, chosen, training, draws=3, steps=2, seed=seed, progress=done.append
        )  # fmt: skip

    report = measured(5)
    assert sum(done) == 2
    rows = {(row["predictor"], row["view"]): row for row in report["deltas"]}
    assert {name for name, _ in rows} == {"planner", "another", "neighbour", "velocity", "still"}
    assert (rows["planner", POOLED]["k"], rows["still", POOLED]["k"]) == (3, 1)
    assert all(0 <= row["delta4"] <= row["delta8"] <= row["delta64"] <= 1 for row in report["deltas"])
    errors = {(row["predictor"], row["k"], row["view"], row["points"]): row for row in report["predictions"]}
    assert 0 < errors["planner", 3, POOLED, "all"]["min_mse"] < errors["planner", 3, POOLED, "all"]["mean_mse"]
    assert len(report["growth"]["planner"]["agentview"]) == 16
    assert report["without_past"] == 1
    assert measured(5) == report
    assert measured(6) != report
    assert TINY.points < 24
