"""A sentence's vector, or its tokens, as the networks take them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import repeat
from torch import Tensor, nn

from zipmo_ros.motion.config import TextConfig, TokenConfig
from zipmo_ros.motion.layers import RMSNorm, Transformer


class Reading(NamedTuple):
    """What was read. vector [B, W]: of the whole. tokens [B, 1 + L, W]: the whole again, then word by word; mask
    [B, 1 + L] True: such a token is there. None for a model of vectors.
    """

    vector: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None


class TokenReader(nn.Module):
    """A small transformer over a sentence's tokens and one more, learned, which stands for the whole."""

    def __init__(self, width: int, config: TokenConfig):
        super().__init__()
        self.project = nn.Linear(width, config.width)
        self.whole = nn.Parameter(0.02 * torch.randn(config.width))
        self.layers = Transformer(config.width, config.depth, rope="1d")
        self.norm = RMSNorm(config.width)
        self.dropout, self.word_dropout = config.dropout, config.word_dropout

    def forward(self, rows: Tensor) -> Reading:
        """rows [B, 1 + L, D], see motion/text.py. Of a sentence without tokens there is the whole alone."""
        tokens = F.dropout1d(rows[:, 1:], self.word_dropout, self.training)
        tokens = F.dropout(tokens, self.dropout, self.training)
        x = torch.cat([repeat(self.whole, "w -> b 1 w", b=len(rows)), self.project(tokens)], dim=1)
        there = (tokens != 0).any(-1)
        mask = torch.cat([there.new_ones(len(rows), 1), there], dim=1)
        positions = torch.arange(x.shape[1], device=x.device, dtype=torch.float32)[:, None]
        x = self.norm(self.layers(x, self.layers.rope(positions), mask=mask[:, None, None]))
        return Reading(x[:, 0], x, mask)


class SentenceInput(nn.Module):
    """Reads a sentence's tokens, if the configuration says so. Else scales its vector, as the configuration says after
    standardising it by the training sentences.
    """

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        self.scale = config.scale
        self.standardised = config.standardised
        self.reader = TokenReader(config.width, config.tokens) if config.tokens else None
        if config.standardised:
            self.register_buffer("mean", torch.zeros(config.width))
            self.register_buffer("std", torch.ones(config.width))

    def forward(self, text: Tensor) -> Tensor:
        """[B, D], or rows [B, 1 + L, D], as the sentence encoder gives it -> [B, W]."""
        return self.read(text).vector

    def read(self, text: Tensor) -> Reading:
        """As `forward`, with the tokens. Raises ValueError for a vector where rows are read, and the other way."""
        if (text.ndim == 3) != (self.reader is not None):
            takes = "rows of tokens [B, 1 + L, D]" if self.reader else "vectors [B, D]"
            raise ValueError(f"this model reads sentences as {takes}, got {list(text.shape)}")
        if self.reader is not None:
            return self.reader(text)
        return Reading(self.scale * ((text - self.mean) / self.std if self.standardised else text))

    def hide(self, text: Tensor, hidden: Tensor) -> Tensor:
        """text [B, D], or rows, with those where hidden [B] holds replaced by what says nothing."""
        if self.reader is not None:
            return text.masked_fill(hidden[:, None, None], 0.0)
        nothing = self.mean if self.standardised else torch.zeros_like(text)
        return torch.where(hidden[:, None], nothing, text)

    def set_statistics(self, text: Tensor) -> None:
        """From the training sentences' vectors [N, D]; does nothing unless standardised."""
        if self.standardised:
            self.mean.copy_(text.mean(0))
            self.std.copy_(text.std(0, correction=0).clamp_min(1e-4))


def set_sentence_statistics(model: nn.Module, text: Tensor | None) -> None:
    """In all of a model's parts that read sentences' vectors; None: of one that reads tokens, there are none."""
    for module in model.modules() if text is not None else ():
        if isinstance(module, SentenceInput):
            module.set_statistics(text)
