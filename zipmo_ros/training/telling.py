"""What frames are told, so that the image encoder learns to point: several sentences of their scene, and what can't be
done there.

Every frame teaches all sentences of its scene, so what tells them apart is learned from much more than the
demonstrations: a frame says where the milk, the can and the bread are, though one of them is being carried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.pointer import Pointing, pointing_loss, understanding_loss
from zipmo_ros.motion.sentence import SentenceInput
from zipmo_ros.training.sentences import Sentences


@dataclass(frozen=True)
class TellingOptions:
    """Of the stages of encoders that say what they understand, see config/hydra/stage.

    sentences: told of a frame. impossible: share of them that can't be done; a frame's own always can.
    understanding_weight: of the loss of saying so, beside the one of pointing.
    """

    sentences: int
    impossible: float
    understanding_weight: float

    def __post_init__(self) -> None:
        if self.sentences < 1 or not 0 <= self.impossible < 1:
            raise ValueError(f"a frame is told at least one sentence, got sentences={self.sentences}, and the share "
                             f"impossible={self.impossible} must leave some that can be done")  # fmt: skip

    def cannot(self, frames: int, generator: torch.Generator) -> Tensor:
        """Which of the sentences of each frame are to be impossible ones, bool [frames, sentences]."""
        return torch.rand(frames, self.sentences, generator=generator) < self.impossible


@dataclass(frozen=True)
class ToldFrames:
    """Of S sentences a frame, one after another: text [B * S, D] or rows; places [B * S, V, 2, 2], (y, x) of thing and
    goal in each view, NaN for what can't be done or is not known. can [B * S]: 1 for what can be done, 0 for what
    can't, NaN for what is not asked; None for an encoder that never is.
    """

    text: Tensor
    places: Tensor
    can: Tensor | None = None

    def first(self, frames: int) -> Tensor:
        """Rows [B * S] bool of each frame's first sentence."""
        several = len(self.text) // frames
        return torch.arange(len(self.text), device=self.text.device) % several == 0

    def to(self, device: torch.device) -> ToldFrames:
        can = None if self.can is None else self.can.to(device)
        return ToldFrames(self.text.to(device), self.places.to(device), can)

    def hidden(self, frames: Tensor, sentence: SentenceInput) -> ToldFrames:
        """Where `frames` [B] holds, the first sentence is not said, so nothing is asked of it."""
        rows = self.first(len(frames)) & frames.repeat_interleave(len(self.text) // len(frames))
        places = self.places.masked_fill(rows[:, None, None, None], torch.nan)
        can = None if self.can is None else self.can.masked_fill(rows, torch.nan)
        return ToldFrames(sentence.hide(self.text, rows), places, can)

    def loss(self, pointing: Pointing, grid: int, understanding_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Of pointing, and of saying what can be done; both to log."""
        pointed = pointing_loss(pointing, self.places, grid)
        if self.can is None:
            return pointed, {"pointing": pointed.detach()}
        assert pointing.understood is not None
        asked = ~self.can.isnan()
        understood = understanding_loss(pointing.understood[asked], self.can[asked].bool())
        scalars = {"pointing": pointed.detach(), "understanding": understood.detach()}
        return pointed + understanding_weight * understood, scalars


class Choice(NamedTuple):
    """Sentences of frames, S each: rows [B, S] of `windows.sentences`, and where they point [B, S, V, 2, 2], (y, x)."""

    rows: Tensor
    places: Tensor

    def __add__(self, more: Choice) -> Choice:  # type: ignore[override]
        return Choice(torch.cat([self.rows, more.rows], 1), torch.cat([self.places, more.places], 1))

    def told(self, sentences: Sentences, indices: Tensor, shifts: Tensor, cannot: Tensor | None,
             generator: torch.Generator) -> ToldFrames:  # fmt: skip
        """In words that are drawn. indices [B]: windows; shifts [B, V, 2]: of their images, in (y, x). Where `cannot`
        [B, S] holds, something that can't be done there instead; None: nobody asks.
        """
        indices, places = indices.repeat_interleave(self.rows.shape[1]), (self.places + shifts[:, None, :, None])
        impossible = None if cannot is None else cannot.flatten()
        text = sentences.draw(indices, self.rows.flatten(), generator, impossible)
        if impossible is None:
            return ToldFrames(text, places.flatten(0, 1))
        nowhere = impossible[:, None, None, None]
        return ToldFrames(text, places.flatten(0, 1).masked_fill(nowhere, torch.nan), (~impossible).float())


def own(windows: DemonstrationWindows, indices: Tensor) -> Choice:
    """Of each window the sentence that it is done by."""
    return Choice(windows.sentence[indices, None], windows.own_landmarks(indices)[:, None])


def any_of_scene(windows: DemonstrationWindows, indices: Tensor, count: int, generator: torch.Generator) -> Choice:
    """`count` of each window's scene in random order, anew when all are told."""
    there = windows.told[indices] >= 0
    shuffled = (torch.rand(there.shape, generator=generator) * there).argsort(1, descending=True)
    columns = shuffled.gather(1, torch.arange(count) % there.sum(1, keepdim=True))
    return Choice(windows.told[indices[:, None], columns], windows.landmarks[indices[:, None], columns].float())


def tell(windows: DemonstrationWindows, sentences: Sentences, indices: Tensor, shifts: Tensor,
         options: TellingOptions | None, generator: torch.Generator) -> ToldFrames:  # fmt: skip
    """Of each window its own sentence first, then others of its scene; None: its own alone, and nobody asks whether it
    can be done. shifts: see Choice.told.
    """
    choice = own(windows, indices)
    if options is None:
        return choice.told(sentences, indices, shifts, None, generator)
    if options.sentences > 1:
        choice += any_of_scene(windows, indices, options.sentences - 1, generator)
    cannot = options.cannot(len(indices), generator)
    cannot[:, 0] = False
    return choice.told(sentences, indices, shifts, cannot, generator)
