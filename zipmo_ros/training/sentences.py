"""The sentences of demonstrations as models take them, each with other words for the same where those are given."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.config import TextConfig
from zipmo_ros.motion.spelling import mended
from zipmo_ros.motion.text import embed_many, embed_sentences
from zipmo_ros.training.latents import cached
from zipmo_ros.training.rephrasing import Rephrasing
from zipmo_ros.training.wordings import PLACES, DrawnWordings

OWN_SHARE = 0.25
"""How often a drawn sentence is the demonstrations' own."""


class Embedded:
    """Texts as a model takes them, embedded once. cache: folder that keeps them; None keeps nothing."""

    def __init__(self, texts: list[str], config: TextConfig, cache: Path | str | None) -> None:
        self.vectors: Tensor | None = None
        self._rows: tuple[Tensor, ...] = ()
        tokens = config.tokens
        texts = texts if tokens is None else [mended(text) for text in texts]
        digest = hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:12]
        if tokens is None:
            name = f"sentences-{config.encoder}-{digest}"
            self.vectors = cached(cache, name, lambda: embed_sentences(texts, config.encoder))
            return

        def embed() -> Tensor:
            """One text's rows after another, a row of zeros after each."""
            some = (texts[start : start + 1024] for start in range(0, len(texts), 1024))  # in full precision at a time
            rows = (row.half() for several in some for row in embed_many(several, config.encoder, tokens.layers))
            return torch.cat([torch.cat([row, row.new_zeros(1, row.shape[1])]) for row in rows])

        layers = "".join(f"-{layer}" for layer in tokens.layers)
        flat = cached(cache, f"tokens-{config.encoder}{layers}-{digest}", embed)
        ends = (~flat.any(1)).nonzero()[:, 0]
        self._rows = flat.split(ends.diff(prepend=ends.new_full((1,), -1)).tolist())

    def __getitem__(self, numbers: Tensor) -> Tensor:
        """Texts by number [B]: float32 [B, D], or rows [B, 1 + L, D] if the model reads tokens."""
        if self.vectors is not None:
            return self.vectors[numbers]
        return pad_sequence([self._rows[number][:-1] for number in numbers.tolist()], batch_first=True).float()


class Groups:
    """Texts by number, in groups to draw from."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self._members: list[Tensor] = []

    def add(self, texts: list[str]) -> int:
        """The new group's number."""
        self._members.append(torch.tensor([self.texts.setdefault(text, len(self.texts)) for text in texts]))
        return len(self._members) - 1

    def draw(self, groups: Tensor, uniform: Tensor) -> Tensor:
        """A text of each group [B], by numbers in [0, 1)."""
        counts = torch.tensor([len(self._members[group]) for group in groups])
        picks = (uniform * counts).long()
        return torch.stack([self._members[group][pick] for group, pick in zip(groups, picks, strict=True)])


class Sentences:
    """The sentences of `windows` and their wordings, by a list or by rules.

    words: None for no other words. cache: folder for what was embedded, which takes a while; None keeps nothing.
    """

    def __init__(
        self,
        windows: DemonstrationWindows,
        config: TextConfig,
        words: Rephrasing | DrawnWordings | None = None,
        cache: Path | str | None = None,
    ):
        self._told, self._groups = windows.told, Groups()
        self._first = torch.zeros(len(windows.sentences), len(PLACES), len(PLACES), dtype=torch.int64)  # groups
        scenes, self._scene = windows.told.unique(dim=0, return_inverse=True)
        told = [[windows.sentences[row] for row in scene if row >= 0] for scene in scenes]
        self._standing = words.standing(windows) if isinstance(words, DrawnWordings) else None
        for number, sentence in enumerate(windows.sentences):
            if isinstance(words, DrawnWordings):
                scene = next((scene for scene in told if sentence in scene), [sentence])
                for (taken, on), texts in words.variants(sentence, scene):
                    self._first[number, taken, on] = self._groups.add([sentence, *texts])
            else:
                self._first[number] = self._groups.add(words.variants(sentence) if words else [sentence])
        self._impossible: Tensor | None = None
        if isinstance(words, DrawnWordings):
            self._impossible = torch.tensor([self._groups.add(words.impossible(scene)) for scene in told])
        self._own = torch.tensor([self._groups.texts[sentence] for sentence in windows.sentences])
        self._embedded = Embedded(list(self._groups.texts), config, cache)

    @property
    def vectors(self) -> Tensor | None:
        """Of all sentences and wordings [N, D]; None for a model that reads tokens."""
        return self._embedded.vectors

    @property
    def impossible(self) -> bool:
        """Whether there are wordings of what can't be done."""
        return self._impossible is not None

    def own(self, rows: Tensor) -> Tensor:
        """The sentences as they are: rows [B] of `windows.sentences` -> [B, D], or rows of tokens [B, 1 + L, D]."""
        return self._embedded[self._own[rows]]

    def draw(
        self,
        indices: Tensor,
        rows: Tensor,
        generator: torch.Generator,
        cannot: Tensor | None = None,
        own_share: float = OWN_SHARE,
    ) -> Tensor:
        """Each as it is, or in other words; where `cannot` [B] holds, something that can't be done there.

        indices [B]: windows that it is said of; rows [B] of their sentences. Returns what `own` does. Only rules know
        what can't be done (`impossible`).
        """
        share, other = torch.rand(2, len(rows), generator=generator)
        taken, on = self._standing_of(indices, rows).unbind(1)
        numbers = self._groups.draw(self._first[rows, taken, on], other)
        numbers = torch.where(share < own_share, self._own[rows], numbers)
        if cannot is not None:
            assert self._impossible is not None
            numbers = torch.where(cannot, self._groups.draw(self._impossible[self._scene[indices]], other), numbers)
        return self._embedded[numbers]

    def _standing_of(self, indices: Tensor, rows: Tensor) -> Tensor:
        """[B, 2], see training/wordings.py; zeros where nothing is known."""
        if self._standing is None or not self._told.shape[1]:
            return torch.zeros(len(rows), 2, dtype=torch.int64)
        match = self._told[indices] == rows[:, None]
        return self._standing[indices, match.int().argmax(1)] * match.any(1)[:, None]
