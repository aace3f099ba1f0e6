"""What the training loop needs of a stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from zipmo_policy.dataset import DemonstrationWindows, WindowBatches


class Stage(ABC):
    """A model and how it is trained; `fit` of zipmo_ros.motion.training does the rest.

    needs_images, needs_tracks: what of the demonstrations must be in memory.
    """

    needs_images: ClassVar[bool] = True
    needs_tracks: ClassVar[bool] = True
    model: nn.Module
    batches: WindowBatches

    def __init__(self, windows: DemonstrationWindows, validation_states: tuple[int, ...], seed: int, device: str) -> None:
        self.windows, self.seed, self.device = windows, seed, torch.device(device)
        self.training, self.validation = windows.split(validation_states)

    def make_batches(self, batch_size: int, collate, indices: Tensor | None = None) -> WindowBatches:
        return WindowBatches(self.training if indices is None else indices, batch_size, self.seed, collate)

    def validation_indices(self, count: int) -> Tensor:
        """Evenly spread validation windows, at most `count`."""
        stride = max(1, -(-len(self.validation) // count))
        return self.validation[::stride]

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar to minimise, and scalars to log."""

    @abstractmethod
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures on held-out initial states; repeatable."""

    @abstractmethod
    def save(self, model: nn.Module, directory: Path, meta: dict) -> None:
        """Write the checkpoint with whatever else inference needs (normalisation statistics)."""


def chunks(indices: Tensor, size: int) -> list[Tensor]:
    return list(indices.split(size))
