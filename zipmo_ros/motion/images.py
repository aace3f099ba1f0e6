"""Frames on their way into an encoder: uint8 or [-1, 1], channels last -> float, channels first."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def to_signed(images: Tensor) -> Tensor:
    """uint8 [..., H, W, 3] -> float in [-1, 1]; floats pass. Raises ValueError for any other layout or type."""
    if images.ndim < 3 or images.shape[-1] != 3:
        raise ValueError(f"images must be channels-last RGB [..., H, W, 3], got shape {tuple(images.shape)}")
    if images.dtype == torch.uint8:
        return images.float() / 127.5 - 1
    if not images.is_floating_point():
        raise ValueError(f"images must be uint8 or float in [-1, 1], got {images.dtype}")
    return images


def to_square(images: Tensor, size: int) -> Tensor:
    """[B, H, W, 3] -> [B, 3, size, size]: average pooling by the whole factor, then bilinear (as in the reference)."""
    x = rearrange(images, "b h w c -> b c h w")
    if x.shape[-2:] == (size, size):
        return x
    factor = min(x.shape[-2:]) // size
    if factor > 1:
        x = F.avg_pool2d(x, factor)
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


def sample_at(tokens: Tensor, points: Tensor) -> Tensor:
    """Bilinear sample of a grid of tokens [B, g*g, D] at points [B, N, 2] (y, x), clamped at the border: [B, N, D]."""
    size = round(tokens.shape[1] ** 0.5)
    field = rearrange(tokens, "b (h w) d -> b d h w", h=size)
    where = points.flip(-1)[:, None]  # grid_sample wants (x, y)
    sampled = F.grid_sample(field, where.to(field.dtype), mode="bilinear", padding_mode="border", align_corners=False)
    return rearrange(sampled, "b d 1 n -> b n d")
