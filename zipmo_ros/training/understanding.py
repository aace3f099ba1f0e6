"""From which logit on an image encoder has understood, by wordings not trained on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.data.wordings import Family
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.telling import any_of_scene
from zipmo_ros.training.wordings import DrawnWordings

FAMILY = "development"
COUNT = 16  # wordings of each sentence in each way that things may stand
SEVERAL = 8  # told of each frame, which is seen once for all of them


class Understood:
    """Measures an encoder on validation windows `indices`, told SEVERAL wordings of FAMILY each: half of them can be
    done.
    """

    def __init__(self, windows: DemonstrationWindows, indices: Tensor, encoder: ConvEncoder, seed: int,
                 cache: Path | str | None) -> None:  # fmt: skip
        assert encoder.config.text is not None
        words = Sentences(windows, encoder.config.text, DrawnWordings(Family.load(FAMILY), COUNT), cache)
        generator = torch.Generator().manual_seed(seed)
        self._images, self._indices = windows.images, indices
        rows = any_of_scene(windows, indices, SEVERAL, generator).rows.flatten()
        self._cannot = torch.arange(len(rows)) % 2 == 1
        told = indices.repeat_interleave(SEVERAL)
        self._text = words.draw(told, rows, generator, self._cannot, own_share=0.0)

    @torch.no_grad()
    def logits(self, encoder: ConvEncoder) -> tuple[Tensor, Tensor]:
        """Of what can be done, and of what can't."""
        device, found = next(encoder.parameters()).device, []
        for chosen, told in zip(self._indices.split(64), self._text.split(64 * SEVERAL), strict=True):
            images, text = self._images[chosen].to(device), told.to(device)
            _, pointing = encoder.look(images, text)
            assert pointing is not None
            assert pointing.understood is not None
            found.append(pointing.understood.cpu())
        logits = torch.cat(found)
        return logits[~self._cannot], logits[self._cannot]

    def figures(self, encoder: ConvEncoder) -> dict[str, float]:
        """Shares of what can't be done and of what can that are refused, if it is calibrated now."""
        possible, impossible = self.logits(encoder)
        least = parting(possible, impossible)
        shares = {"refused": impossible < least, "refused_falsely": possible < least}
        return {name: float(share.float().mean()) for name, share in shares.items()}

    def calibrate(self, encoder: ConvEncoder) -> None:
        """Set from which logit on the encoder has understood."""
        encoder.config = dataclasses.replace(encoder.config, understood_at=parting(*self.logits(encoder)))


def parting(possible: Tensor, impossible: Tensor) -> float:
    """The logit below which there are most of what can't be done and fewest of what can: the shares' greatest
    difference (Youden 1950), in the middle of the gap where it is.
    """
    logits = torch.cat([possible, impossible]).sort().values
    between = (logits[1:] + logits[:-1]) / 2
    gain = (impossible[:, None] < between).float().mean(0) - (possible[:, None] < between).float().mean(0)
    return float(between[gain.argmax()])
