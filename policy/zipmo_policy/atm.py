"""ATM's policy: images, a sentence, proprioception and the tracks of a plan -> actions.

The tracks come in twice: as tokens of the transformer over what is seen, and raw, beside what goes into the head.
Symbols: B samples, F frames, V views, N points a view, T steps of a track, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_policy.head import Proprioception
from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.atm.config import check_image
from zipmo_ros.motion.atm.track_reading import TrackReading, raw
from zipmo_ros.motion.atm.track_transformer import CHANNELS, patches_of
from zipmo_ros.motion.config import ImageEncoderConfig, TextConfig, image_nano, require, text_nano
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import SentenceInput


@dataclass(frozen=True)
class AtmPolicyConfig:
    """image, text, image_size, patch: see AtmConfig. frames: that it looks back on, the newest one included.

    width, heads, dropout, depth, time_depth: of the transformers over what a frame holds, and over frames. head_width:
    of the two hidden layers of the head. chunk: actions at a time. points: of a view's plan.
    """

    image: ImageEncoderConfig | None = None
    text: TextConfig = field(default_factory=TextConfig)
    image_size: int = IMAGE_SIZE
    patch: int = 8
    frames: int = 10
    width: int = 128
    heads: int = 4
    dropout: float = 0.1
    depth: int = 7
    time_depth: int = 4
    head_width: int = 1024
    chunk: int = 1
    views: int = 2
    points: int = 32
    horizon: int = HORIZON
    proprio_width: int = 9
    action_width: int = 7

    def __post_init__(self) -> None:
        require(self.width > 0 and self.width % self.heads == 0, f"{self.heads} heads do not divide width {self.width}")
        sizes = (self.frames, self.depth, self.time_depth, self.chunk, self.views, self.points, self.proprio_width)
        require(min(sizes) >= 1, f"too little: {self}")
        check_image(self.image, self.text, self.image_size, self.patch, self.views)


def published() -> AtmPolicyConfig:
    return AtmPolicyConfig()


def nano(views: int = 2) -> AtmPolicyConfig:
    """What two CPU cores train: one frame, and a chunk of actions like the other policies'."""
    return AtmPolicyConfig(
        image=image_nano(views), text=text_nano(), patch=16, frames=1, heads=2, dropout=0.0, depth=4, time_depth=1,
        head_width=256, chunk=HORIZON, views=views,
    )  # fmt: skip


class AtmPolicy(nn.Module):
    kind = "atm_policy"
    config_class = AtmPolicyConfig

    def __init__(self, config: AtmPolicyConfig):
        super().__init__()
        self.config = config
        width, image = config.width, config.image
        self.image_encoder = ConvEncoder(image) if image else None
        self.image_in = nn.Linear(image.width if image else CHANNELS * config.patch**2, width)
        self.image_position = nn.Parameter(
            0.02 * torch.randn(config.views, (config.image_size // config.patch) ** 2, width)
        )
        self.sentence, self.text_in = SentenceInput(config.text), nn.Linear(config.text.read_width, width)
        self.tracks = TrackReading(width, config.views, config.horizon)
        self.proprioception = Proprioception(config.proprio_width)
        self.proprio_in = nn.Linear(config.proprio_width, width)
        self.whole = nn.Parameter(0.02 * torch.randn(width))
        self.frame_position = nn.Parameter(0.02 * torch.randn(config.frames, width))
        self.seen, self.past = (self._transformer(depth) for depth in (config.depth, config.time_depth))
        numbers = 2 * config.horizon * config.points * config.views
        self.head = nn.Sequential(
            nn.Linear(width + numbers, config.head_width), nn.ReLU(),
            nn.Linear(config.head_width, config.head_width), nn.ReLU(),
            nn.Linear(config.head_width, config.chunk * config.action_width),
        )  # fmt: skip

    def _transformer(self, depth: int) -> nn.TransformerEncoder:
        config = self.config
        layer = nn.TransformerEncoderLayer(
            config.width, config.heads, 4 * config.width, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        return nn.TransformerEncoder(layer, depth, nn.LayerNorm(config.width), enable_nested_tensor=False)

    def look(self, images: Tensor, text: Tensor) -> tuple[Tensor, Pointing | None]:
        """images [R, V, H, W, 3] uint8 or [-1, 1], each with its sentence -> tokens [R, V, L, C], and where the
        image encoder points, if there is one that does.
        """
        if self.image_encoder is None:
            return patches_of(images, self.config.image_size, self.config.patch), None
        tokens, pointing = self.image_encoder.look(images, text)
        return rearrange(tokens, "r (v l) c -> r v l c", v=self.config.views), pointing

    def forward(self, image_tokens: Tensor, tracks: Tensor, text: Tensor, proprio: Tensor) -> Tensor:
        """Actions [B, chunk, 7] for the newest frame.

        image_tokens [B * F, V, L, C] of `look`, sample-major; tracks [B, F, V, N, T, 2]; text [B, D] or rows; proprio
        [B, F, 9] raw.
        """
        frames = tracks.shape[1]
        images = (self.image_in(image_tokens) + self.image_position).flatten(1, 2)
        said = repeat(self.text_in(self.sentence(text)), "b d -> (b f) 1 d", f=frames)
        felt = self.proprio_in(self.proprioception(proprio)).flatten(0, 1)[:, None]
        whole = repeat(self.whole, "d -> r 1 d", r=len(images))
        tokens = torch.cat([whole, images, self.tracks.tokens(tracks.flatten(0, 1)), said, felt], dim=1)
        past = rearrange(self.seen(tokens)[:, 0], "(b f) d -> b f d", f=frames) + self.frame_position[-frames:]
        newest = self.past(past)[:, -1]
        actions = self.head(torch.cat([newest, raw(tracks[:, -1])], dim=-1))
        return rearrange(actions, "b (k a) -> b k a", a=self.config.action_width)

    def statistics(self) -> dict[str, list[float]]:
        return self.proprioception.statistics()

    def set_statistics(self, proprio_mean: Tensor | list[float], proprio_std: Tensor | list[float]) -> None:
        self.proprioception.set_statistics(proprio_mean, proprio_std)
