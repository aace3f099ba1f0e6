"""From tracks to tokens and back: what one token holds, and where it stands.

A track of T samples becomes T / samples_per_token tokens. With one sample a token, the token is the embedded point
(reference); with more, it is the displacements from the track's first point plus that point's embedding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.fourier import PointEmbedding
from zipmo_ros.motion.images import sample_at
from zipmo_ros.motion.layers import Transformer
from zipmo_ros.motion.rope import centers
from zipmo_ros.motion.zipmo.config import VaeConfig

DISPLACEMENT_GAIN = 6.0  # a typical displacement of a moving point is 0.1 to 0.3 of the frame
POINT_THETA = 40 * math.pi
ROPE = "3d_40"


def make_backbone(config: VaeConfig, depth: int) -> Transformer:
    """The transformer of encoder and decoder, which looks at the start frame's tokens if the autoencoder does."""
    context = {"context_width": config.image.width if config.image_context else None, "cross_rope": ROPE}
    return Transformer(config.width, depth, rope=ROPE, ff_ratio=config.ff_ratio, **context)


def track_positions(starts: Tensor, tokens: int) -> Tensor:
    """starts [B, N, 2] -> (t, y, x) of every token, track-major [B, N * tokens, 3]; t: the centre of its share."""
    time = repeat(centers(tokens).to(starts), "k -> b n k 1", b=starts.shape[0], n=starts.shape[1])
    return rearrange(torch.cat([time, repeat(starts, "b n c -> b n k c", k=tokens)], dim=-1), "b n k c -> b (n k) c")


class PointFeature(nn.Module):
    """The image at a point: a bilinear sample of the encoder's tokens."""

    def __init__(self, image_width: int, width: int):
        super().__init__()
        self.proj = nn.Linear(image_width, width)

    def forward(self, image_tokens: Tensor, points: Tensor) -> Tensor:
        return self.proj(sample_at(image_tokens, points))


class TrackTokens(nn.Module):
    """Values of tokens that hold several samples: tracks [B, N, T, 2] -> [B, N * T / samples_per_token, width]."""

    def __init__(self, config: VaeConfig):
        super().__init__()
        self.samples = config.samples_per_token
        self.start = PointEmbedding(2, config.width, POINT_THETA, config.point_mlp_depth, config.ff_ratio)
        self.displacement = nn.Linear(2 * self.samples, config.width)

    def forward(self, tracks: Tensor) -> Tensor:
        starts = tracks[:, :, :1]
        moved = rearrange(DISPLACEMENT_GAIN * (tracks - starts), "b n (k s) c -> b n k (s c)", s=self.samples)
        return rearrange(self.displacement(moved) + self.start(starts), "b n k d -> b (n k) d")


def resample(tracks: Tensor, steps: int) -> Tensor:
    """Linear interpolation along time, end points kept: [B, N, T, 2] -> [B, N, steps, 2]."""
    if tracks.shape[2] == steps:
        return tracks
    flat = rearrange(tracks, "b n t c -> b (n c) t")
    return rearrange(F.interpolate(flat, size=steps, mode="linear", align_corners=True), "b (n c) t -> b n t c", c=2)
