"""Direct behaviour cloning: frames, sentence and proprioception -> actions, without a motion plan between.

The rival that the motion bottleneck is measured against, with the planner's kind of image encoder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from einops import repeat
from torch import Tensor, nn

from zipmo_policy.head import ActionTrunk, Proprioception
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.config import ImageEncoderConfig, image_nano
from zipmo_ros.motion.image_encoder import make_image_encoder
from zipmo_ros.motion.rope import grid_positions


@dataclass(frozen=True)
class BehaviourCloningConfig:
    width: int = 128
    depth: int = 3
    ff_ratio: int = 2
    proprio_width: int = 9
    horizon: int = HORIZON
    action_width: int = 7
    image: ImageEncoderConfig = field(default_factory=image_nano)


def nano() -> BehaviourCloningConfig:
    return BehaviourCloningConfig()


class BehaviourCloning(nn.Module):
    kind = "bc"
    config_class = BehaviourCloningConfig
    positions: Tensor

    def __init__(self, config: BehaviourCloningConfig):
        super().__init__()
        self.config = config
        self.image_encoder = make_image_encoder(config.image)
        self.image_embedder = nn.Linear(config.image.width, config.width)
        self.view_emb = nn.Parameter(0.02 * torch.randn(config.image.views, config.width))
        self.proprioception = Proprioception(config.proprio_width)
        self.proprio_embedder = nn.Linear(config.proprio_width, config.width)
        self.trunk = ActionTrunk(config.width, config.depth, config.ff_ratio, config.horizon, config.action_width)
        positions = torch.cat([grid_positions(config.image.grid).repeat(config.image.views, 1), torch.zeros(1, 2)])
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, images: Tensor, text: Tensor, proprio: Tensor) -> Tensor:
        """images [B, V, 128, 128, 3] uint8 or [-1, 1], text [B, Dt] unscaled, proprio [B, 9] raw -> [B, 16, 7]."""
        return self.actions(self.image_encoder(images, text), proprio)

    def actions(self, image_tokens: Tensor, proprio: Tensor) -> Tensor:
        """As `forward`, from the image encoder's tokens [B, V * grid^2, width]."""
        return self.trunk(self.context(image_tokens, proprio), self.positions)

    def context(self, image_tokens: Tensor, proprio: Tensor) -> Tensor:
        """What actions are read from, at `positions`: those tokens, then the hand [B, V * grid^2 + 1, D]."""
        tokens = self.image_embedder(image_tokens)
        tokens = tokens + repeat(self.view_emb, "v d -> (v l) d", l=self.config.image.grid**2)
        hand = self.proprio_embedder(self.proprioception(proprio))
        return torch.cat([tokens, hand[:, None]], dim=1)

    def statistics(self) -> dict[str, list[float]]:
        return self.proprioception.statistics()

    def set_statistics(self, proprio_mean: Tensor | list[float], proprio_std: Tensor | list[float]) -> None:
        self.proprioception.set_statistics(proprio_mean, proprio_std)
