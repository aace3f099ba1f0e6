"""Choosing points on tracks."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_moving(
    moving: Tensor, uniform: Tensor, count: int, moving_weight: float, eligible: Tensor | None = None
) -> Tensor:
    """`count` of P points without replacement, a moving one `moving_weight` times as likely as another.

    moving: bool [..., P]. uniform [..., P]: random numbers in [0, 1). eligible: bool [..., P]; the others are only
    taken where those do not suffice. Returns int64 [..., count].
    """
    weights = 1.0 + (moving_weight - 1.0) * moving.float()
    # The largest of independent u^(1/w) are a weighted sample without replacement (Efraimidis and Spirakis 2006).
    keys = uniform.clamp_min(1e-12).log() / weights
    if eligible is not None:
        keys = keys.masked_fill(~eligible, -torch.inf)
    return keys.topk(count, dim=-1, sorted=False).indices


def take_points(values: Tensor, points: Tensor) -> Tensor:
    """values [B, P, ...] at points [B, N] -> [B, N, ...]."""
    return values[torch.arange(len(values), device=values.device)[:, None], points]
