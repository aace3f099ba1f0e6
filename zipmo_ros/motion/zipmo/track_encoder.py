"""Tracks -> posterior over a grid of latents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.fourier import PointEmbedding
from zipmo_ros.motion.rope import grid_positions
from zipmo_ros.motion.zipmo.config import VaeConfig
from zipmo_ros.motion.zipmo.posterior import Posterior
from zipmo_ros.motion.zipmo.track_tokens import POINT_THETA, PointFeature, TrackTokens, make_backbone, track_positions


class TrackEncoder(nn.Module):
    """Learned queries on the latent grid, the track tokens and one register, in one self-attention sequence."""

    def __init__(self, config: VaeConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.reg_token = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.query_token = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.register_buffer("reg_pos", torch.zeros(1, 1, 3))
        self.register_buffer("query_pos", grid_positions(config.latent_grid, time=0.0)[None])
        if config.image_context:
            self.register_buffer("pos_cross", grid_positions(config.image.grid, time=-1.0))
        self.backbone = make_backbone(config, config.encoder_depth)
        if config.samples_per_token == 1:
            self.trajs_in = PointEmbedding(2, width, POINT_THETA, config.point_mlp_depth, config.ff_ratio)
        else:
            self.track_tokens = TrackTokens(config)
        self.point_feature = PointFeature(config.image.width, width) if config.point_features else None
        self.to_mean = nn.Linear(width, config.latent_channels)
        self.to_logvar = nn.Linear(width, config.latent_channels)

    def values(self, tracks: Tensor, image_tokens: Tensor | None) -> Tensor:
        """Token values, track-major: [B, N * k, D]."""
        if self.config.samples_per_token == 1:
            values = rearrange(self.trajs_in(tracks), "b n t d -> b (n t) d")
        else:
            values = self.track_tokens(tracks)
        if self.point_feature is not None:
            feature = self.point_feature(image_tokens, tracks[:, :, 0])
            values = values + repeat(feature, "b n d -> b (n k) d", k=values.shape[1] // feature.shape[1])
        return values

    def forward(self, tracks: Tensor, image_tokens: Tensor | None, valid: Tensor | None = None) -> Posterior:
        """tracks [B, N, T, 2], image_tokens [B, S, Di]; tracks that are not `valid` [B, N] have no influence."""
        batch, _, steps, _ = tracks.shape
        per_track = steps // self.config.samples_per_token
        query = repeat(self.query_token, "1 1 d -> b l d", b=batch, l=self.config.latent_tokens)
        register = repeat(self.reg_token, "1 1 d -> b 1 d", b=batch)
        x = torch.cat([query, self.values(tracks, image_tokens), register], dim=1)
        of_tracks = track_positions(tracks[:, :, 0], per_track)
        positions = [self.query_pos.expand(batch, -1, -1), of_tracks, self.reg_pos.expand(batch, -1, -1)]
        mask = None
        if valid is not None:
            seen = F.pad(repeat(valid, "b n -> b (n k)", k=per_track), (query.shape[1], 1), value=True)
            mask = rearrange(seen, "b l -> b 1 1 l")
        context = self.backbone.context(image_tokens, self.pos_cross) if self.config.image_context else None
        x = self.backbone(x, self.backbone.rope(torch.cat(positions, dim=1)), context, mask=mask)
        latents = x[:, : query.shape[1]]
        return Posterior(self.to_mean(latents), self.to_logvar(latents))
