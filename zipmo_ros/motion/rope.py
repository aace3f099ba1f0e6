"""Rotary position embeddings over one, two or three coordinates, a trainable frequency per head (as in the reference).

Only part of a head's 64 dimensions is rotated. With D angles, dimension i < D pairs with i + D; those from 2D on
pass through.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn


class Rotation(NamedTuple):
    """Cosine and sine of the angles, [B or 1, heads, tokens, D]."""

    cos: Tensor
    sin: Tensor


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate the first 2D dimensions of x [B, heads, tokens, 64]."""
    angles = rotation.cos.shape[-1]
    first, second, rest = x.split([angles, angles, x.shape[-1] - 2 * angles], dim=-1)
    cos, sin = rotation.cos.to(x.dtype), rotation.sin.to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


def ladder(heads: int, count: int, low: float, high: float) -> Tensor:
    """[heads, count] frequencies, geometric from low to high (excluded); neighbours belong to neighbouring heads."""
    points = low * (high / low) ** (torch.arange(heads * count, dtype=torch.float64) / (heads * count))
    return rearrange(points.float(), "(count heads) -> heads count", heads=heads)


def _rounded(x: Tensor) -> Tensor:
    """Under autocast the reference rounds positions and frequencies to the autocast type before multiplying them."""
    kind = x.device.type
    if kind != "meta" and torch.is_autocast_enabled(kind):
        return x.to(torch.get_autocast_dtype(kind))
    return x


def _rotation(positions: Tensor, frequencies: list[Tensor]) -> Rotation:
    """positions [(B,) tokens, axes], one [heads, count] tensor an axis -> angles of all axes, concatenated."""
    if positions.ndim == 2:
        positions = positions[None]
    angles = [
        _rounded(positions[:, None, :, axis, None]) * _rounded(rearrange(f, "heads count -> heads 1 count"))
        for axis, f in enumerate(frequencies)
    ]
    theta = torch.cat(angles, dim=-1).float()
    return Rotation(theta.cos(), theta.sin())


class AxialRope(nn.Module):
    """One axis (token index) or two (y, x). Frequencies [axes, heads, count]."""

    def __init__(self, axes: int, heads: int, count: int, low: float, high: float, trainable: bool = True):
        super().__init__()
        initial = ladder(heads, count, low, high).expand(axes, -1, -1).clone()
        self.freqs = nn.Parameter(initial, requires_grad=trainable)

    def forward(self, positions: Tensor) -> Rotation:
        return _rotation(positions, list(self.freqs))


class SpaceTimeRope(nn.Module):
    """Positions (t, y, x); the angles come in this order too."""

    def __init__(self, heads: int, high_space: float, high_time: float = 10 * math.pi, count: int = 8):
        super().__init__()
        self.yx_freqs = nn.Parameter(ladder(heads, count, 1.0, high_space).expand(2, -1, -1).clone())
        self.t_freqs = nn.Parameter(ladder(heads, count, 1.0, high_time))

    def forward(self, positions: Tensor) -> Rotation:
        return _rotation(positions, [self.t_freqs, *self.yx_freqs])


def make_rope(mode: str | None, heads: int) -> nn.Module | None:
    """The reference's modes: "1d" (text), "2d" (policy), "3d_40" and "3d_10" (motion), None for none."""
    match mode:
        case None:
            return None
        case "1d":
            return AxialRope(1, heads, 16, 1e-3, 1.0, trainable=False)
        case "2d":
            return AxialRope(2, heads, 8, 1.0, 40 * math.pi)
        case "3d_40":
            return SpaceTimeRope(heads, 40 * math.pi)
        case "3d_10":
            return SpaceTimeRope(heads, 10 * 3.14)  # not 10 pi: the reference's own constant
    raise ValueError(f"unknown RoPE mode '{mode}'; there are 1d, 2d, 3d_40, 3d_10")


def centers(count: int) -> Tensor:
    """Centres of `count` equal cells of [-1, 1]."""
    return -1 + (2 * torch.arange(count, dtype=torch.float32) + 1) / count


def grid_positions(size: int, time: float | None = None) -> Tensor:
    """(y, x), or (time, y, x), of the cells of a size x size grid, rows outer: [size * size, 2 or 3]."""
    y, x = torch.meshgrid(centers(size), centers(size), indexing="ij")
    axes = [y, x] if time is None else [torch.full_like(y, time), y, x]
    return rearrange(torch.stack(axes, dim=-1), "h w axes -> (h w) axes")
