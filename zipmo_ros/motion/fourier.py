"""Random Fourier features of points and of the flow time (as in the reference); frequencies travel with the weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.layers import FeedForward, RMSNorm


class PointEmbedding(nn.Module):
    """[..., coordinates] -> [..., width]: sines and cosines of every coordinate, then residual feed-forward blocks.

    Features are ordered per coordinate, sines first, zero-padded at the end. `theta` is about the highest angular
    frequency (95 % are below). An integer input truncates the frequencies to integers, as a cast in the
    reference does; its episode step relies on that.
    """

    def __init__(self, coordinates: int, width: int, theta: float, depth: int = 2, ff_ratio: int = 3):
        super().__init__()
        self.padding = width % (2 * coordinates)
        self.register_buffer("coeffs", torch.randn(width // (2 * coordinates)) * theta / 1.96)
        self.mlp = nn.ModuleList(FeedForward(width, ff_ratio * width) for _ in range(depth))

    def forward(self, points: Tensor) -> Tensor:
        angles = points[..., None] * self.coeffs.to(points.dtype)
        x = rearrange([angles.sin(), angles.cos()], "kind ... c f -> ... (c kind f)")
        x = F.pad(x, (0, self.padding)).to(self.mlp[0].up_proj.weight.dtype if len(self.mlp) else x.dtype)
        for block in self.mlp:
            x = block(x)
        return x


class TimeFeatures(nn.Module):
    """t [B] -> [B, width]: [cos | sin] of 2 pi t W."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("weight", torch.randn(width // 2, 1))

    def forward(self, t: Tensor) -> Tensor:
        angles = 2 * math.pi * t[:, None] * self.weight[:, 0]
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


class MappingNetwork(nn.Module):
    """Time features -> the vector that all adaptive norms share."""

    def __init__(self, width: int, depth: int, hidden: int):
        super().__init__()
        self.in_norm = RMSNorm(width)
        self.blocks = nn.ModuleList(FeedForward(width, hidden) for _ in range(depth))
        self.out_norm = RMSNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_norm(x)
        for block in self.blocks:
            x = block(x)
        return self.out_norm(x)
