"""Policy of tracks: any planner's tracks and proprioception -> a chunk of actions (inverse dynamics).

ARFM's track encoder, and the head that latents have: it looks at every track where it starts, and at the whole. (The
paper's policy looks at the whole alone.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zipmo_policy.head import ActionTrunk, Proprioception
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.arfm.track_features import TrackFeatureExtractor
from zipmo_ros.motion.config import check_width, require


@dataclass(frozen=True)
class TrackPolicyConfig:
    """width, encoder_depth: of the track encoder (the paper's). depth, ff_ratio: of the head. pixels: of the frame in
    which tracks are counted.
    """

    width: int = 768
    encoder_depth: int = 12
    depth: int = 6
    ff_ratio: int = 3
    pixels: int = 256
    views: int = 2
    proprio_width: int = 9
    horizon: int = HORIZON
    action_width: int = 7

    def __post_init__(self) -> None:
        check_width("track policy width", self.width)
        require(min(self.encoder_depth, self.depth, self.views, self.proprio_width) >= 1, f"too little: {self}")


def nano() -> TrackPolicyConfig:
    return TrackPolicyConfig(width=128, encoder_depth=3, depth=3, ff_ratio=2)


def base() -> TrackPolicyConfig:
    return TrackPolicyConfig()


class TrackPolicy(nn.Module):
    kind = "track_policy"
    config_class = TrackPolicyConfig

    def __init__(self, config: TrackPolicyConfig):
        super().__init__()
        self.config = config
        self.tracks = TrackFeatureExtractor(
            config.width, config.encoder_depth, config.views, config.horizon, config.pixels
        )
        self.proprioception = Proprioception(config.proprio_width)
        self.proprio_embedder = nn.Linear(config.proprio_width, config.width)
        self.hand = nn.Parameter(0.02 * torch.randn(config.width))
        self.trunk = ActionTrunk(config.width, config.depth, config.ff_ratio, config.horizon, config.action_width)

    def forward(self, tracks: Tensor, proprio: Tensor, valid: Tensor | None = None) -> Tensor:
        """tracks [B, V, N, T, 2] of any number of points, proprio [B, 9] in rad and metres -> OSC_POSE actions
        [B, 16, 7]. valid: bool [B, V, N]; the other tracks have no influence.
        """
        config = self.config
        if tracks.ndim != 5 or (tracks.shape[1], *tracks.shape[3:]) != (config.views, config.horizon, 2):
            raise ValueError(f"tracks must be [B, {config.views}, N, {config.horizon}, 2], got {tuple(tracks.shape)}")
        hand = self.proprio_embedder(self.proprioception(proprio)) + self.hand
        context = torch.cat([self.tracks.tokens(tracks, valid), hand[:, None]], dim=1)
        middle = tracks.new_zeros(len(tracks), 1, 2)
        positions = torch.cat([middle, tracks[:, :, :, 0].flatten(1, 2), middle], dim=1)
        mask = None
        if valid is not None:
            always = valid.new_ones(len(valid), 1)
            mask = torch.cat([always, valid.flatten(1), always], dim=1)
        return self.trunk(context, positions, mask)

    def statistics(self) -> dict[str, list[float]]:
        return self.proprioception.statistics()

    def set_statistics(self, proprio_mean: Tensor | list[float], proprio_std: Tensor | list[float]) -> None:
        self.proprioception.set_statistics(proprio_mean, proprio_std)
