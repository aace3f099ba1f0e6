"""The sentences of demonstrations as vectors, each with other words for the same where those are given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.training.latents import cached
from zipmo_ros.training.rephrasing import Rephrasing

OWN_SHARE = 0.25
"""How often a drawn sentence is the demonstrations' own."""


class Sentences:
    """Vectors of `sentences` and of their rephrasings.

    rephrasing: None for no other words. cache: folder for the vectors, which take a while; None keeps nothing.
    """

    def __init__(
        self,
        sentences: Sequence[str],
        encoder: str,
        rephrasing: Rephrasing | None = None,
        cache: Path | str | None = None,
    ):
        variants = [rephrasing.variants(sentence) if rephrasing else [sentence] for sentence in sentences]
        every = [variant for group in variants for variant in group]
        name = f"sentences-{encoder}-{hashlib.sha256(chr(10).join(every).encode()).hexdigest()[:12]}"
        self.vectors = cached(cache, name, lambda: embed_sentences(every, encoder))
        self._counts = torch.tensor([len(group) for group in variants])
        self._first = self._counts.cumsum(0) - self._counts

    def own(self, rows: Tensor) -> Tensor:
        """The sentences as they are: rows [B] of `sentences` -> [B, D]."""
        return self.vectors[self._first[rows]]

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Each as it is, or in other words: rows [B] -> [B, D]."""
        share, other = torch.rand(2, len(rows), generator=generator)
        offset = (other * self._counts[rows]).long()
        return self.vectors[self._first[rows] + torch.where(share < OWN_SHARE, 0, offset)]
