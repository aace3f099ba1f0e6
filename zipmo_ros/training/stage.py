"""What the training loop needs of a stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from zipmo_ros.data.batches import WindowBatches
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.config import TextConfig, from_dict, to_dict
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.wordings import load_words


class Stage(ABC):
    """A model and how it is trained; `fit` of zipmo_ros.training.loop does the rest.

    needs_images, needs_tracks: what of the demonstrations it looks at. builds_on: settings that name checkpoints
    whose weights or outputs it uses. headline: the validation figures worth a line on the screen.
    """

    needs_images: ClassVar[bool] = True
    needs_tracks: ClassVar[bool] = True
    builds_on: ClassVar[tuple[str, ...]] = ("init",)
    headline: tuple[str, ...] = ()
    model: nn.Module
    batches: WindowBatches
    average: nn.Module | None = None

    def __init__(
        self, windows: DemonstrationWindows, validation_states: tuple[int, ...], seed: int, device: str
    ) -> None:
        self.windows, self.seed, self.device = windows, seed, torch.device(device)
        self.training, self.validation = windows.split(validation_states)

    def make_batches(self, batch_size: int, collate, indices: Tensor | None = None) -> WindowBatches:
        return WindowBatches(self.training if indices is None else indices, batch_size, self.seed, collate)

    def validation_indices(self, count: int) -> Tensor:
        """Evenly spread validation windows, at most `count`."""
        stride = max(1, -(-len(self.validation) // count))
        return self.validation[::stride]

    @classmethod
    @abstractmethod
    def create(cls, windows: DemonstrationWindows, request: TrainingRequest) -> Stage:
        """Raises ValueError for options that the stage lacks or does not know, and for a part that does not fit."""

    def start_from(self, directory: Path | str | None) -> Stage:
        """Take the weights of a checkpoint of this stage's model; None: keep the new ones."""
        if directory:
            self.model.load_state_dict(checkpoint.load(directory, type(self.model)).state_dict())
        return self

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar to minimise, and scalars to log."""

    def teach(self, average: nn.Module) -> None:
        """The averaged weights, given once before training and kept up to date, for a loss that looks at them."""
        self.average = average

    @abstractmethod
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures on held-out initial states; repeatable."""

    def worth_a_line(self, metrics: dict[str, float]) -> dict[str, float]:
        """Of what training logs and validation finds, what the screen has room for."""
        found = {name: f"validation/{name}" for name in self.headline if f"validation/{name}" in metrics}
        return {name: metrics[key] for name, key in found.items()} or metrics

    def save(self, model: nn.Module, directory: Path, meta: dict) -> None:
        """Write the checkpoint, with whatever else inference needs in the model's statistics."""
        checkpoint.save(directory, model, meta)


def common(request: TrainingRequest) -> dict[str, Any]:
    """The arguments that every stage takes."""
    return {"validation_states": request.validation_states, "seed": request.seed, "device": request.device}


def sentences(windows: DemonstrationWindows, config: TextConfig, request: TrainingRequest) -> Sentences:
    """The demonstrations' sentences, with the other words of the file `rephrasings` where that is given."""
    return Sentences(windows, config, load_words(request.rephrasings, request.wordings), request.cache)


def options(option_class: type, request: TrainingRequest) -> Any:
    """`request.stage` without its name as the stage's dataclass; ValueError for unknown and absent keys."""
    return from_dict(option_class, {key: value for key, value in request.stage.items() if key != "name"})


def model_config(presets: dict[str, Callable[[], Any]], request: TrainingRequest, part: str) -> Any:
    """The preset that request.model names, with the fields replaced that it gives for `part`.

    Nested dictionaries reach into nested configurations. Raises ValueError for a size that this stage lacks.
    """
    named = request.model["preset"]
    if named not in presets:
        stage, sizes = request.stage["name"], ", ".join(presets)
        raise ValueError(f"stage {stage} has the sizes {sizes}, not model.preset={named}")
    preset = presets[named]()

    def merge(base: dict, changes: dict) -> dict:
        nested = {
            key: merge(base[key], value) for key, value in changes.items() if isinstance(value, dict) and base.get(key)
        }
        return {**base, **changes, **nested}

    return from_dict(type(preset), merge(to_dict(preset), request.model[part]))
