"""Latents and query points -> tracks."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.fourier import PointEmbedding
from zipmo_ros.motion.layers import RMSNorm, Transformer
from zipmo_ros.motion.rope import grid_positions
from zipmo_ros.motion.zipmo.config import VaeConfig
from zipmo_ros.motion.zipmo.track_tokens import (
    DISPLACEMENT_GAIN,
    POINT_THETA,
    ROPE,
    PointFeature,
    make_backbone,
    resample,
    track_positions,
)  # fmt: skip


class TrackDecoder(nn.Module):
    """`backbone` runs over [latents | query tokens] (queries "joint") or over the latents alone, which the query tokens
    then look at through `query_layers` ("cross"). All query tokens start as one learned token; they are told apart by
    position, and by the point's own embedding and image feature where the configuration has them.
    """

    def __init__(self, config: VaeConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.decode_token = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.register_buffer("latent_pos", grid_positions(config.latent_grid, time=0.0), persistent=False)
        if config.image_context:
            self.register_buffer("pos_cross", grid_positions(config.image.grid, time=-1.0))
        self.backbone = make_backbone(config, config.decoder_depth)
        self.query_layers = None
        if config.queries == "cross":
            layer = {"rope": None, "cross_rope": ROPE, "context_width": width, "ff_ratio": config.ff_ratio}
            self.query_layers = Transformer(width, config.query_depth, self_attention=False, **layer)
            self.query_start = PointEmbedding(2, width, POINT_THETA, config.point_mlp_depth, config.ff_ratio)
        self.point_feature = PointFeature(config.image.width, width) if config.point_features else None
        self.trajs_out = nn.Sequential(
            RMSNorm(width),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2 * config.samples_per_token),
        )
        if config.displacement:  # an untrained decoder then predicts points that stay
            nn.init.zeros_(self.trajs_out[-1].weight)
            nn.init.zeros_(self.trajs_out[-1].bias)
        self.latents_in = nn.Linear(config.latent_channels, width)

    def forward(self, latents: Tensor, queries: Tensor, image_tokens: Tensor | None, steps: int) -> Tensor:
        """latents [B, HW, C] (not normalised), queries [B, N, 2] -> [B, N, steps, 2]."""
        config, batch = self.config, len(latents)
        # With a token a sample any times can be asked for; tokens of several samples stand for fixed times.
        tokens = steps if config.samples_per_token == 1 else config.clip_samples // config.samples_per_token
        positions = track_positions(queries, tokens)
        query = repeat(self.decode_token, "1 1 d -> b l d", b=batch, l=positions.shape[1])
        if self.point_feature is not None:
            query = query + repeat(self.point_feature(image_tokens, queries), "b n d -> b (n k) d", k=tokens)

        x = self.latents_in(latents)
        latent_positions = self.latent_pos.expand(batch, -1, -1)
        context = self.backbone.context(image_tokens, self.pos_cross) if config.image_context else None
        if self.query_layers is None:
            rope = self.backbone.rope(torch.cat([latent_positions, positions], dim=1))
            query = self.backbone(torch.cat([x, query], dim=1), rope, context)[:, x.shape[1] :]
        else:
            x = self.backbone(x, self.backbone.rope(self.latent_pos), context)
            query = query + repeat(self.query_start(queries), "b n d -> b (n k) d", k=tokens)
            rope, context = self.query_layers.rope(positions), self.query_layers.context(x, self.latent_pos)
            query = self.query_layers(query, rope, context)

        tracks = rearrange(self.trajs_out(query), "b (n k) (s c) -> b n (k s) c", k=tokens, c=2)
        if config.displacement:
            tracks = queries[:, :, None] + tracks / DISPLACEMENT_GAIN
        return resample(tracks, steps)
