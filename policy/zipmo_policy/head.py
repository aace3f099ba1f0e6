"""Policy head: motion embedding and proprioception -> a chunk of actions (inverse dynamics)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import repeat
from torch import Tensor, nn

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.layers import Transformer
from zipmo_ros.motion.rope import grid_positions
from zipmo_ros.motion.zipmo.planner import InProjection, OutProjection

__all__ = ["ActionTrunk", "HeadConfig", "PolicyHead", "Proprioception", "base", "nano"]

ROPE = "2d"
# Rows of the reference's table of modalities that are used: one a view, and proprioception.
FIRST_VIEW, PROPRIO, MODALITIES = 2, 5, 6


@dataclass(frozen=True)
class HeadConfig:
    """With proprio_width 0 the head sees latents only."""

    width: int = 768
    depth: int = 6
    ff_ratio: int = 3
    latent_channels: int = 16
    latent_grid: int = 16
    views: int = 2
    proprio_width: int = 9
    horizon: int = HORIZON
    action_width: int = 7

    def __post_init__(self):
        if self.width % 64 or self.width <= 0:
            raise ValueError(f"head width must be a positive multiple of 64, got {self.width}")
        if self.views not in (1, 2):
            raise ValueError(f"the head has embeddings for 1 or 2 views, not {self.views}")


def nano() -> HeadConfig:
    return HeadConfig(width=128, depth=3, ff_ratio=2, latent_grid=4)


def base() -> HeadConfig:
    return HeadConfig()


class ActionTrunk(nn.Module):
    """Learned queries, one an action, that cross-attend context tokens [B, S, D] at (y, x) -> [B, horizon, 7].

    All queries stand at (0, 0); their order comes from the learned vectors. No final norm, no squashing.
    """

    def __init__(self, width: int, depth: int, ff_ratio: int, horizon: int, action_width: int):
        super().__init__()
        self.learned_action_queries = nn.Parameter(torch.randn(1, horizon, width) * width**-0.5)
        self.policy_in_proj = InProjection(width, width, None)
        self.policy_net = Transformer(width, depth, rope=ROPE, ff_ratio=ff_ratio, context_width=width, cross_rope=ROPE)
        self.policy_out_proj = OutProjection(width, action_width)

    def forward(self, context: Tensor, positions: Tensor, mask: Tensor | None = None) -> Tensor:
        """positions [S, 2] or [B, S, 2]. mask: bool [B, S], the tokens that may be looked at; None: all."""
        queries = self.policy_in_proj.proj(self.learned_action_queries)
        rope = self.policy_net.rope(positions.new_zeros(queries.shape[1], 2))
        x = repeat(queries, "1 l d -> b l d", b=len(context))
        return self.policy_out_proj(self.policy_net(x, rope, self.policy_net.context(context, positions, mask)))


class Proprioception(nn.Module):
    """Standardisation of the proprioception by the training data's statistics; identity until they are set."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width), persistent=False)
        self.register_buffer("std", torch.ones(width), persistent=False)

    def forward(self, proprio: Tensor) -> Tensor:
        return (proprio - self.mean) / self.std

    def statistics(self) -> dict[str, list[float]]:
        return {"proprio_mean": self.mean.tolist(), "proprio_std": self.std.tolist()}

    def set_statistics(self, proprio_mean: Tensor | list[float], proprio_std: Tensor | list[float]) -> None:
        """Raises ValueError on a wrong length or a deviation that is not positive."""
        mean, std = (
            torch.as_tensor(v, dtype=torch.float32, device=self.mean.device) for v in (proprio_mean, proprio_std)
        )
        if mean.shape != self.mean.shape or std.shape != self.std.shape or not (std > 0).all():
            raise ValueError(f"proprioception needs {len(self.mean)} means and positive deviations, got {mean}, {std}")
        self.mean, self.std = mean, std


class PolicyHead(nn.Module):
    kind = "policy"
    config_class = HeadConfig

    def __init__(self, config: HeadConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.trunk = ActionTrunk(width, config.depth, config.ff_ratio, config.horizon, config.action_width)
        self.track_embedder = nn.Linear(config.latent_channels, width)
        self.learnable_modality_emb = nn.Parameter(0.02 * torch.randn(MODALITIES, width))
        self.proprioception = Proprioception(config.proprio_width)
        if config.proprio_width:
            self.proprio_embedder = nn.Linear(config.proprio_width, width)
        self.register_buffer("latent_pos", grid_positions(config.latent_grid).repeat(config.views, 1), persistent=False)

    def context(self, latents: Tensor, proprio: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Context tokens [B, S, D] and their (y, x) [S, 2]: each view's latents, then proprioception at (0, 0)."""
        config = self.config
        tokens = config.views * config.latent_grid**2
        if latents.ndim != 3 or latents.shape[1:] != (tokens, config.latent_channels):
            raise ValueError(f"latents must be [B, {tokens}, {config.latent_channels}], got {tuple(latents.shape)}")
        views = self.learnable_modality_emb[FIRST_VIEW : FIRST_VIEW + config.views]
        x = self.track_embedder(latents) + repeat(views, "v d -> (v l) d", l=config.latent_grid**2)
        if not config.proprio_width:
            return x, self.latent_pos
        if proprio is None or proprio.shape[-1] != config.proprio_width:
            given = None if proprio is None else tuple(proprio.shape)
            raise ValueError(f"this head reads proprioception [B, {config.proprio_width}], got {given}")
        hand = self.proprio_embedder(self.proprioception(proprio)) + self.learnable_modality_emb[PROPRIO]
        return torch.cat([x, hand[:, None]], dim=1), torch.cat([self.latent_pos, self.latent_pos.new_zeros(1, 2)])

    def forward(self, latents: Tensor, proprio: Tensor | None = None) -> Tensor:
        """latents [B, V * H * W, C] normalised, proprio [B, 9] in rad and metres -> OSC_POSE actions [B, 16, 7]."""
        return self.trunk(*self.context(latents, proprio))

    def statistics(self) -> dict[str, list[float]]:
        return self.proprioception.statistics()

    def set_statistics(self, proprio_mean: Tensor | list[float], proprio_std: Tensor | list[float]) -> None:
        self.proprioception.set_statistics(proprio_mean, proprio_std)
