"""How far predicted tracks are from the true ones."""

from __future__ import annotations

from torch import Tensor

from zipmo_ros.contract.camera import IMAGE_SIZE

PCK_PIXELS = (1, 2, 4, 8, 16)


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


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of values [..., N] over the points that count."""
    counted = counted.expand_as(values)
    return values.masked_fill(~counted, 0.0).sum(-1) / counted.sum(-1)
