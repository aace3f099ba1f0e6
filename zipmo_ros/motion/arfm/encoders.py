"""What ARFM sees and reads: maps to look points up in, image tokens, and the words of a sentence."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.arfm.config import ArfmConfig
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.pointer import Pointing, cell_of
from zipmo_ros.motion.sentence import SentenceInput

MOST_WORDS = 32  # steps that a sentence takes of which tokens are read; one with more reaches into what follows


class Frames(NamedTuple):
    """R frames of V views. maps: features [R, V, cells, C] on square grids, the finest first. tokens [R, V, G, C].
    pointed: of each view and landmark that the sentence means, how sure it is and (y, x), as much as it is sure
    [R, V * K * 3]; None where nobody points.
    """

    maps: tuple[Tensor, ...]
    tokens: Tensor
    pointed: Tensor | None = None

    def lookup(self, frame_of: Tensor, points: Tensor) -> Tensor:
        """Features of the cells that points lie in, of all maps: [B, V, N, T, C]. Points outside: of the nearest cell.

        frame_of: int64 [B, T], the row of the frame that each step sees. points [B, V, N, T, 2].
        """
        frame, view = frame_of[:, None, None], torch.arange(points.shape[1], device=points.device)[:, None, None]
        cells = (cell_of(points, round(level.shape[2] ** 0.5)) for level in self.maps)
        return torch.cat([level[frame, view, cell] for level, cell in zip(self.maps, cells, strict=True)], dim=-1)


class Words(NamedTuple):
    """tokens [B, M, C] and the sentence as a whole [B, C]. counted: bool [B, M], tokens that are there; None: all."""

    tokens: Tensor
    whole: Tensor
    counted: Tensor | None = None


class OwnEncoders(nn.Module):
    """The planner's conv encoder, trained with ARFM; of a sentence its tokens, or its vector as the one word.

    local_width, global_width, text_width: channels of what it gives. words: steps of time that a sentence takes.
    silence: tokens that stand for no sentence.
    """

    silence = 1

    def __init__(self, config: ArfmConfig):
        super().__init__()
        assert config.image is not None
        assert config.text is not None
        self.images, self.sentence = ConvEncoder(config.image), SentenceInput(config.text)
        self.grid, self.pooling = config.image.grid, config.image.grid // config.global_grid
        self.local_width, self.global_width = sum(config.image.channels), config.image.width
        self.text_width, self.words = config.text.read_width, MOST_WORDS if config.text.tokens else 1

    def look(self, images: Tensor, text: Tensor, hidden: Tensor | None = None) -> tuple[Frames, Pointing | None]:
        """images [R, V, H, W, 3] uint8 or [-1, 1], each with its sentence as `read` takes it; `hidden` [R]: where not.
        Of several sentences each, one after another, the first is what the frame is looked at for.

        With where it points, as ConvEncoder.look.
        """
        text = text if hidden is None else self.sentence.hide(text, hidden)
        maps, tokens, pointing = self.images.look_closely(images, text)
        tokens = rearrange(tokens[:: len(tokens) // len(images)], "r (v l) d -> r v l d", v=images.shape[1])
        field = rearrange(tokens, "r v (h w) d -> (r v) d h w", h=self.grid)
        pooled = rearrange(F.avg_pool2d(field, self.pooling), "(r v) d h w -> r v (h w) d", r=len(images))
        pointed = None if pointing is None else pointing.told(len(images))
        return Frames((*maps, tokens), pooled, pointed), pointing

    def read(self, text: Tensor) -> Words:
        """Vectors [B, C] of the sentence encoder, or rows of tokens [B, 1 + L, C]."""
        reading = self.sentence.read(text)
        if reading.tokens is None:
            return Words(reading.vector[:, None], reading.vector)
        return Words(reading.tokens, reading.vector, reading.mask)
