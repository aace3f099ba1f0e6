"""Errors of tracks against values worked out by hand."""

import torch

from zipmo_ros.motion.metrics import average_displacement, final_displacement, mse


def test_known_values():
    """One point off by (3, 4) px at its last of two samples, one point right; one coordinate unit is 64 px."""
    target = torch.zeros(2, 2, 2)
    predicted = target.clone()
    predicted[0, 1] = torch.tensor([3.0, 4.0]) / 64
    every, first = torch.tensor([True, True]), torch.tensor([True, False])
    assert torch.isclose(mse(predicted, target, every), torch.tensor(25.0 / 8))
    assert torch.isclose(mse(predicted, target, first), torch.tensor(25.0 / 4))
    assert torch.isclose(average_displacement(predicted, target, every), torch.tensor(5.0 / 4))
    assert torch.isclose(final_displacement(predicted, target, first), torch.tensor(5.0))
    assert torch.isclose(final_displacement(predicted, target, first, size=256), torch.tensor(10.0))


def test_points_that_do_not_count_have_no_influence():
    target = torch.zeros(3, 4, 2)
    predicted = torch.rand(3, 4, 2)
    predicted[1] = torch.inf
    counted = torch.tensor([True, False, True])
    kept = mse(predicted[counted], target[counted], torch.ones(2, dtype=torch.bool))
    assert torch.equal(mse(predicted, target, counted), kept)
    assert mse(predicted, target, torch.zeros(3, dtype=torch.bool)).isnan()
