"""A sentence's vector as the networks take it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zipmo_ros.motion.config import TextConfig


class SentenceInput(nn.Module):
    """Scales sentence vectors; if the configuration says so, after standardising them by the training sentences."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.scale = config.scale
        self.standardised = config.standardised
        if config.standardised:
            self.register_buffer("mean", torch.zeros(config.width))
            self.register_buffer("std", torch.ones(config.width))

    def forward(self, text: Tensor) -> Tensor:
        """[B, D] as the sentence encoder gives it -> [B, D]."""
        return self.scale * ((text - self.mean) / self.std if self.standardised else text)

    def hide(self, text: Tensor, hidden: Tensor) -> Tensor:
        """text [B, D] with the rows where hidden [B] holds replaced by what says nothing."""
        nothing = self.mean if self.standardised else torch.zeros_like(text)
        return torch.where(hidden[:, None], nothing, text)

    def set_statistics(self, text: Tensor) -> None:
        """From the training sentences' vectors [N, D]; does nothing unless standardised."""
        if self.standardised:
            self.mean.copy_(text.mean(0))
            self.std.copy_(text.std(0, correction=0).clamp_min(1e-4))


def set_sentence_statistics(model: nn.Module, text: Tensor) -> None:
    """In all of a model's parts that read sentences."""
    for module in model.modules():
        if isinstance(module, SentenceInput):
            module.set_statistics(text)
