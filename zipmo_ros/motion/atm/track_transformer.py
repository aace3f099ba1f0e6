"""The track transformer: where points of an image go, and what is in patches of it that are hidden."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.atm.config import AtmConfig
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.images import to_signed, to_square
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import SentenceInput

CHANNELS = 3


class TrackTransformer(nn.Module):
    """Of a track it is given the start alone: all samples of its tokens are masked by it (published)."""

    kind = "atm"
    config_class = AtmConfig

    def __init__(self, config: AtmConfig):
        super().__init__()
        self.config = config
        width, pixels = config.width, CHANNELS * config.patch**2
        self.image_encoder = ConvEncoder(config.image) if config.image else None
        self.image_in = nn.Linear(config.image.width if config.image else pixels, width)
        self.image_position = nn.Parameter(0.02 * torch.randn(config.patches**2, width))
        self.hidden_image = nn.Parameter(0.02 * torch.randn(width))
        self.sentence, read = SentenceInput(config.text), config.text.read_width
        self.text_in = nn.Sequential(nn.Linear(read, width), nn.GELU(), nn.Linear(width, width))
        if config.places:
            assert config.image is not None  # see AtmConfig
            told = config.image.told_width
            self.pointed = nn.Sequential(nn.Linear(told, width), nn.GELU(), nn.Linear(width, width))
        self.track_in = nn.Linear(2 * config.samples_per_token, width)
        self.track_time = nn.Parameter(0.02 * torch.randn(config.track_tokens, width))
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 4 * width, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.track_out, self.image_out = nn.Linear(width, 2 * config.samples_per_token), nn.Linear(width, pixels)

    def patches(self, images: Tensor) -> Tensor:
        """See patches_of."""
        return patches_of(images, self.config.image_size, self.config.patch)

    def look(self, images: Tensor, text: Tensor) -> tuple[Tensor, Pointing | None]:
        """images [B, V, H, W, 3] uint8 or [-1, 1], each with its sentence [B, ...] -> image tokens [B, V, L, C], and
        where the image encoder points, if there is one that does.
        """
        if images.ndim != 5 or images.shape[1] != self.config.views:
            raise ValueError(f"ATM looks at {self.config.views} views [B, V, H, W, 3], got {tuple(images.shape)}")
        if self.image_encoder is None:
            return self.patches(images), None
        tokens, pointing = self.image_encoder.look(images, text)
        return rearrange(tokens, "b (v l) c -> b v l c", v=images.shape[1]), pointing

    def foresee(self, images: Tensor, text: Tensor, points: Tensor) -> tuple[Tensor, Pointing | None]:
        """Tracks [B, V, N, T, 2] that begin at points [B, V, N, 2], and where the image encoder points; see `look`."""
        tokens, pointing = self.look(images, text)
        tracks, _ = self(tokens, text, points, pointing)
        return torch.cat([points[:, :, :, None], tracks[:, :, :, 1:]], dim=3), pointing

    def forward(
        self,
        image_tokens: Tensor,
        text: Tensor,
        points: Tensor,
        pointing: Pointing | None = None,
        hidden: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tracks [B, V, N, T, 2] of points [B, V, N, 2], and patches as `patches` has them.

        image_tokens, pointing: of `look`. text [B, D] or rows of tokens. hidden: bool [B, V, L], the image tokens to
        reconstruct.
        """
        config, (batch, views, count) = self.config, points.shape[:3]
        images = self.image_in(image_tokens)
        if hidden is not None:
            images = torch.where(hidden[..., None], self.hidden_image, images)
        images = images + self.image_position
        starts = repeat((points + 1) / 2, "b v n c -> b v n (s c)", s=config.samples_per_token)
        tracks = self.track_in(starts)[:, :, :, None] + self.track_time
        said = self.text_in(self.sentence(text))
        if config.places:
            assert pointing is not None  # see AtmConfig
            said = said + self.pointed(pointing.told(batch))
        x = torch.cat([images, tracks.flatten(2, 3), repeat(said, "b d -> b v 1 d", v=views)], dim=2)
        x = self.layers(x.flatten(0, 1)).unflatten(0, (batch, views))
        image, track, _ = x.split([images.shape[2], count * config.track_tokens, 1], dim=2)
        form = "b v (n k) (s c) -> b v n (k s) c"
        places = rearrange(self.track_out(track), form, n=count, s=config.samples_per_token)
        if config.offset is not None:
            places = (points[:, :, :, None] + 1) / 2 + config.offset * places
        return 2 * places - 1, self.image_out(image)


def patches_of(images: Tensor, size: int, patch: int) -> Tensor:
    """images [B, V, H, W, 3] uint8 or [-1, 1], of `size` pixels a side -> patches [B, V, L, 3 * patch^2] in [-1, 1]."""
    square = to_square(to_signed(rearrange(images, "b v h w c -> (b v) h w c")), size)
    form = "(b v) c (h p) (w q) -> b v (h w) (p q c)"
    return rearrange(square, form, v=images.shape[1], p=patch, q=patch)
