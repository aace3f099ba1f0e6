"""Tracks for a policy: where points start and how they move from then on, as one vector (paper section 3.5)."""

from __future__ import annotations

import math

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.config import HEAD_WIDTH, check_width

WAVE_CHANNELS = 128  # frequencies an axis, up to a period of four pixels


def point_waves(points: Tensor, pixels: int) -> Tensor:
    """points [..., 2] -> [..., 2 * (2 * WAVE_CHANNELS + 1)]: of each axis sines, cosines and the place in the frame."""
    x = (points + 1) / 2 * pixels
    angles = x[..., None] * (math.pi * torch.linspace(0, 0.5, WAVE_CHANNELS, device=points.device))
    return torch.cat([angles.sin(), angles.cos(), x[..., None] / pixels], dim=-1).flatten(-2)


class TrackFeatureExtractor(nn.Module):
    """A token a track and one for the whole, through a vision transformer's layers."""

    def __init__(self, width: int = 768, depth: int = 12, views: int = 1, steps: int = HORIZON, pixels: int = 256):
        super().__init__()
        check_width("track features", width)
        self.pixels = pixels
        self.position_proj = nn.Linear(2 * (2 * WAVE_CHANNELS + 1), width)
        self.shift_proj = nn.Linear(2 * (steps - 1), width)
        self.whole = nn.Parameter(0.02 * torch.randn(width))
        self.view = nn.Parameter(0.02 * torch.randn(views, width)) if views > 1 else None
        layer = nn.TransformerEncoderLayer(
            width, width // HEAD_WIDTH, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        """tracks [B, V, N, T, 2] -> the whole [B, D]. valid: bool [B, V, N]; the other tracks have no influence."""
        return self.tokens(tracks, valid)[:, 0]

    def tokens(self, tracks: Tensor, valid: Tensor | None = None) -> Tensor:
        """As `forward`, the whole and then every track [B, 1 + V * N, D]."""
        shifts = rearrange(tracks.diff(dim=3) * (self.pixels / 2), "b v n t c -> b v n (t c)")
        tokens = self.position_proj(point_waves(tracks[:, :, :, 0], self.pixels)) + self.shift_proj(shifts)
        if self.view is not None:
            tokens = tokens + self.view[:, None]
        x = torch.cat([repeat(self.whole, "d -> b 1 d", b=len(tokens)), tokens.flatten(1, 2)], dim=1)
        hidden = None
        if valid is not None:
            hidden = torch.cat([valid.new_zeros(len(valid), 1), ~valid.flatten(1)], dim=1)
        return self.layers(x, src_key_padding_mask=hidden)
