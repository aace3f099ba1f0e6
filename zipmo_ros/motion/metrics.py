"""How far predicted tracks are from the true ones."""

from __future__ import annotations

import torch
from torch import Tensor

from zipmo_ros.contract.camera import IMAGE_SIZE

PCK_PIXELS = (1, 2, 4, 8, 16)
DELTA_PIXELS, DELTA_SIZE = (4, 8, 16, 32, 64), 256  # of ARFM's deltas, in a frame of this size


def endpoint_error(predicted: Tensor, target: Tensor, size: int = IMAGE_SIZE) -> Tensor:
    """Euclidean distance in pixels of a size x size frame: [..., 2] -> [...]."""
    return (predicted - target).norm(dim=-1) * size / 2


def pck(predicted: Tensor, target: Tensor, size: int = 256, pixels: tuple[int, ...] = PCK_PIXELS) -> list[float]:
    """Fraction of points within 1, 2, 4, 8, 16 pixels; as in the reference, [-1, 1] spans size - 1 pixels."""
    distance = (predicted - target).norm(dim=-1) * (size - 1) / 2
    return [(distance < limit).double().mean().item() for limit in pixels]


def mse(predicted: Tensor, target: Tensor, counted: Tensor, size: int = IMAGE_SIZE) -> Tensor:
    """Squared error in px^2, mean over points, samples and the two coordinates: [..., N, T, 2] -> [...].

    counted: bool [..., N], the points that count; NaN where none does. With several predictions of one window, Min MSE
    and Mean MSE are this figure's smallest and mean value (paper table E).
    """
    squares = ((predicted - target) * (size / 2)).square().mean(dim=(-2, -1))
    return _mean(squares, counted)


def average_displacement(predicted: Tensor, target: Tensor, counted: Tensor, size: int = IMAGE_SIZE) -> Tensor:
    """ADE: Euclidean distance in px, mean over points and samples; as `mse`."""
    return _mean(endpoint_error(predicted, target, size).mean(dim=-1), counted)


def final_displacement(predicted: Tensor, target: Tensor, counted: Tensor, size: int = IMAGE_SIZE) -> Tensor:
    """FDE, the tracks' end-point error: Euclidean distance in px at the last sample, mean over points; as `mse`."""
    return _mean(endpoint_error(predicted[..., -1, :], target[..., -1, :], size), counted)


def share_within(predicted: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """ARFM's deltas: share of points and samples less than each of DELTA_PIXELS off, [..., N, T, 2] -> [..., 5].

    counted: bool [..., N, T], the points and samples that count (those that are visible); NaN where none does. Of
    several predictions the best is the one whose mean of the five is largest; their average displacement is over all.
    """
    distance = endpoint_error(predicted, target, DELTA_SIZE)
    near = [((distance < limit) & counted).sum(dim=(-2, -1)) for limit in DELTA_PIXELS]
    return torch.stack(near, dim=-1) / counted.sum(dim=(-2, -1))[..., None]


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of values [..., N] over the points that count."""
    counted = counted.expand_as(values)
    return values.masked_fill(~counted, 0.0).sum(-1) / counted.sum(-1)
