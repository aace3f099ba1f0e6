"""How far predicted tracks are from the true ones."""

from __future__ import annotations

from torch import Tensor

PCK_PIXELS = (1, 2, 4, 8, 16)


def endpoint_error(predicted: Tensor, target: Tensor, size: int = 128) -> Tensor:
    """Euclidean distance in pixels of a size x size frame: [..., 2] -> [...]."""
    return (predicted - target).norm(dim=-1) * size / 2


def pck(predicted: Tensor, target: Tensor, size: int = 256, pixels: tuple[int, ...] = PCK_PIXELS) -> list[float]:
    """Fraction of points within 1, 2, 4, 8, 16 pixels; as in the reference, [-1, 1] spans size - 1 pixels."""
    distance = (predicted - target).norm(dim=-1) * (size - 1) / 2
    return [(distance < limit).double().mean().item() for limit in pixels]
