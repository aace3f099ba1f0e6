"""ARFM's policy: behaviour cloning that is told, besides, the tracks of a plan as a whole (paper section 3.5).

The paper's is GR-1, a policy of images, sentence and proprioception, to which the class token of ARFM's track encoder
is given. Here behaviour cloning stands in GR-1's place, so that what the tracks are worth is seen beside it: it has no
past, and foretells no images.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from zipmo_policy import behaviour_cloning
from zipmo_policy.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from zipmo_ros.motion.arfm.track_features import TrackFeatureExtractor
from zipmo_ros.motion.config import check_width, require


@dataclass(frozen=True)
class ArfmPolicyConfig:
    """cloning: images, sentence and proprioception to actions. encoder_width, encoder_depth: of the track encoder (the
    paper's). pixels: of the frame in which tracks are counted.
    """

    cloning: BehaviourCloningConfig = field(default_factory=BehaviourCloningConfig)
    encoder_width: int = 768
    encoder_depth: int = 12
    pixels: int = 256

    def __post_init__(self) -> None:
        check_width("track encoder width", self.encoder_width)
        require(self.encoder_depth >= 1, f"the track encoder has a layer at least: {self}")


def nano() -> ArfmPolicyConfig:
    return ArfmPolicyConfig(behaviour_cloning.nano(), encoder_width=128, encoder_depth=3)


class ArfmPolicy(nn.Module):
    kind = "arfm_policy"
    config_class = ArfmPolicyConfig

    def __init__(self, config: ArfmPolicyConfig):
        super().__init__()
        self.config, cloning = config, config.cloning
        self.cloning = BehaviourCloning(cloning)
        self.tracks = TrackFeatureExtractor(
            config.encoder_width, config.encoder_depth, cloning.image.views, cloning.horizon, config.pixels
        )
        self.tracks_in = nn.Linear(config.encoder_width, cloning.width)

    @property
    def image_encoder(self) -> nn.Module:
        return self.cloning.image_encoder

    def forward(self, images: Tensor, text: Tensor, proprio: Tensor, tracks: Tensor) -> Tensor:
        """As BehaviourCloning, with the tracks [B, V, N, T, 2] of a plan, of any number of points -> [B, 16, 7]."""
        return self.actions(self.image_encoder(images, text), proprio, tracks)

    def actions(self, image_tokens: Tensor, proprio: Tensor, tracks: Tensor) -> Tensor:
        """As `forward`, from the image encoder's tokens [B, V * grid^2, width]."""
        seen = self.cloning.context(image_tokens, proprio)
        context = torch.cat([seen, self.tracks_in(self.tracks(tracks))[:, None]], dim=1)
        positions = torch.cat([self.cloning.positions, self.cloning.positions.new_zeros(1, 2)])
        return self.cloning.trunk(context, positions)

    def statistics(self) -> dict[str, list[float]]:
        return self.cloning.statistics()

    def set_statistics(self, proprio_mean: Tensor | list[float], proprio_std: Tensor | list[float]) -> None:
        self.cloning.set_statistics(proprio_mean, proprio_std)
