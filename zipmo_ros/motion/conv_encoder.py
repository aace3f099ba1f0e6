"""Small convolutional image encoder, trained here: coordinate channels, a stem a view. A sentence's vector modulates it
(FiLM); its tokens are for the pointer alone.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.config import ImageEncoderConfig
from zipmo_ros.motion.images import to_signed, to_square
from zipmo_ros.motion.pointer import Pointer, Pointing, Understanding
from zipmo_ros.motion.rope import centers
from zipmo_ros.motion.sentence import SentenceInput

STEM_STRIDE = 4


class FilmBlock(nn.Module):
    """Residual block; the sentence scales and shifts its channels (FiLM, Perez et al. 2018)."""

    def __init__(self, channels: int, text_width: int | None):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(text_width, 2 * channels) if text_width else None
        if self.film is not None:
            nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, text: Tensor | None) -> Tensor:
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        if self.film is not None:
            gain, shift = rearrange(self.film(text), "b (two c) -> two b c 1 1", two=2)
            h = h * (1 + gain) + shift
        return x + self.conv2(F.silu(h))


class ConvEncoder(nn.Module):
    """128 px, stride 4 then 2 a stage. Everything after the stems is shared between the views."""

    kind = "image_encoder"
    config_class = ImageEncoderConfig

    def __init__(self, config: ImageEncoderConfig):
        super().__init__()
        self.config = config
        first, *others = config.channels
        self.stems = nn.ModuleList(
            nn.Conv2d(5, first, 2 * STEM_STRIDE, stride=STEM_STRIDE, padding=STEM_STRIDE // 2)
            for _ in range(config.views)
        )
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in zip([first, *others], others, strict=False)
        )
        self.sentence = SentenceInput(config.text) if config.text else None
        text_width = config.text.read_width if config.text else None
        token_width = text_width if config.text and config.text.tokens else None
        film_width = None if token_width else text_width
        self.blocks = nn.ModuleList(FilmBlock(config.width, film_width) for _ in range(config.depth))
        self.pointer = Pointer(config.width, config.landmarks, config.grid, token_width) if config.landmarks else None
        self.understanding = None
        if config.understanding:
            self.understanding = Understanding(config.width, text_width, config.landmarks, config.views)
        axis = centers(config.image_size)
        self.register_buffer("coordinates", torch.stack(torch.meshgrid(axis, axis, indexing="ij")), persistent=False)

    def forward(self, images: Tensor, text: Tensor | None = None) -> Tensor:
        """images [B, V, H, W, 3] uint8 or [-1, 1], text [B, D] or rows of tokens [B, 1 + L, D] (see motion/text.py) ->
        tokens [B, V * grid^2, width], views outer. There may be several texts an image, one after another, and then is
        as much of everything.
        """
        return self.look(images, text)[0]

    def reading(self) -> list[nn.Module]:
        """What of it depends on words: what reads, asks the images, and says whether it understood.

        Raises ValueError for one whose eyes are modulated by them.
        """
        if self.pointer is None or self.pointer.queries is None:
            raise ValueError("what reads stands apart in an image encoder of tokens alone (model=words)")
        parts = (self.sentence, self.pointer.queries, self.understanding)
        return [part for part in parts if part is not None]

    def look(self, images: Tensor, text: Tensor | None = None) -> tuple[Tensor, Pointing | None]:
        """As `forward`, and where in each view it points (None for an encoder without landmarks)."""
        return self.look_closely(images, text)[1:]

    def look_closely(self, images: Tensor, text: Tensor | None = None) -> tuple[list[Tensor], Tensor, Pointing | None]:
        """As `look`, and before that the maps of all `channels` but the last, [B, V, H * W, C], the finest first."""
        batch, views = len(images), images.shape[1]  # len: a plain number where this is traced (motion/engines.py), too
        if views != self.config.views:
            raise ValueError(f"this image encoder was built for {self.config.views} views, got {views}")
        if self.config.text is not None:
            if text is None:
                raise ValueError("this image encoder is modulated by a sentence: pass its embedding as text [B, D]")
            reading = self.sentence.read(text)
            several, rest = divmod(len(reading.vector), batch)
            if rest or not several:
                raise ValueError(f"{len(reading.vector)} texts can't be told of {batch} images, as many of each")
            if reading.tokens is None:
                images, batch, several = images.repeat_interleave(several, 0), len(reading.vector), 1
                text = reading.vector.repeat(views, 1)
        x = to_square(to_signed(rearrange(images, "b v h w c -> (v b) h w c")), self.config.image_size)
        x = torch.cat([x, self.coordinates.expand(len(x), -1, -1, -1)], dim=1).to(memory_format=torch.channels_last)
        x = torch.cat([stem(part) for stem, part in zip(self.stems, x.split(batch), strict=True)])
        maps = []
        for stage in self.stages:
            maps.append(rearrange(x, "(v b) d h w -> b v (h w) d", v=views))
            x = stage(F.silu(x))
        for block in self.blocks:
            x = block(x, text)
        tokens = rearrange(x, "(v b) d h w -> b v (h w) d", v=views)
        pointing = None
        if self.pointer is not None:
            queries = None
            if self.pointer.queries is not None:
                queries = self.pointer.queries(reading, tokens)
            pointing = self.pointer(tokens, queries)
            if self.understanding is not None:
                understood = self.understanding(reading, queries, tokens, pointing)
                pointing = dataclasses.replace(pointing, understood=understood)
            tokens = tokens.repeat_interleave(several, 0) + self.pointer.mark(pointing)
        return maps, rearrange(tokens, "b v l d -> b (v l) d"), pointing
