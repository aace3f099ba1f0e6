"""Training the image encoder to point: at what a sentence says to take, and at where that is to go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.motion.config import image_nano
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.augmentation import AugmentConfig, augment
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import Stage, common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import load_encoder, understanding
from zipmo_ros.training.telling import TellingOptions, ToldFrames, any_of_scene
from zipmo_ros.training.understanding import Understood

LANDMARKS = ("thing", "goal")
NEAR = 6.0  # px of a 128 px frame: about half of the smallest thing


@dataclass(frozen=True)
class GroundingOptions:
    """See config/hydra/stage/grounding.yaml."""

    batch_size: int
    telling: TellingOptions
    augment: AugmentConfig | None
    validation_windows: int


@dataclass(frozen=True)
class PointingBatch:
    """images [B, V, H, W, 3], and what they are told."""

    images: Tensor
    told: ToldFrames


class GroundingStage(Stage):
    needs_tracks = False
    builds_on = ("encoder", "init")

    def __init__(self, windows, model: ConvEncoder, sentences: Sentences, options: GroundingOptions,
                 understood: Understood | None = None, **common) -> None:  # fmt: skip
        super().__init__(windows, **common)
        windows.check_told()
        self.headline = tuple(f"{view}_{name}_near" for view in windows.views for name in LANDMARKS)
        self.options, self.sentences, self.understood = options, sentences, understood
        self.headline += ("refused", "refused_falsely") if understood else ()
        self.model = model.to(self.device)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> GroundingStage:
        if request.freeze != "none":
            raise ValueError(f"freeze={request.freeze} keeps what grounding trains")
        config = model_config({"nano": image_nano}, request, "image")
        stage_options = options(GroundingOptions, request)
        model = load_encoder(request.encoder) if request.encoder else ConvEncoder(config)
        words = sentences(windows, model.config.text, request)
        set_sentence_statistics(model, words.vectors)
        understood = understanding(windows, model, words, stage_options.validation_windows, request)
        return cls(windows, model, words, stage_options, understood, **common(request)).start_from(request.init)

    def collate(self, indices: Tensor, generator: torch.Generator) -> PointingBatch:
        """Each frame is told as many of its scene's sentences as the options say."""
        choice = any_of_scene(self.windows, indices, self.options.telling.sentences, generator)
        images, shifts = augment(self.windows.images[indices], self.options.augment, generator)
        cannot = self.options.telling.cannot(len(indices), generator) if self.understood else None
        told = choice.told(self.sentences, indices, shifts, cannot, generator)
        return PointingBatch(images.to(self.device), told.to(self.device))

    def loss(
        self, model: nn.Module, batch: PointingBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        _, pointing = model.look(batch.images, batch.told.text)
        return batch.told.loss(pointing, model.config.grid, self.options.telling.understanding_weight)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Share of landmarks found within NEAR, by view, and the median distance in px; all sentences of each frame.
        What is refused of what can't be done, see Understood.
        """
        distances = []
        for chosen in self.validation_indices(self.options.validation_windows).split(64):
            rows, columns = (self.windows.told[chosen] >= 0).nonzero(as_tuple=True)
            images = self.windows.images[chosen].to(self.device)[rows]
            text = self.sentences.own(self.windows.told[chosen][rows, columns]).to(self.device)
            _, pointing = model.look(images, text)
            places = self.windows.landmarks[chosen][rows, columns].float().to(self.device)
            distances.append(pixels_off(pointing, places))
        errors = pointing_errors(torch.cat(distances), self.windows.views)
        return errors | (self.understood.figures(model) if self.understood else {})

    def save(self, model: nn.Module, directory: Path, meta: dict) -> None:
        """With what counts as understood, as the encoder is now."""
        if self.understood:
            self.understood.calibrate(model)
        super().save(model, directory, meta)


def pixels_off(pointing: Pointing, places: Tensor) -> Tensor:
    """Distances [B, V, K] in px at 128 px; NaN for what is not in the frame."""
    inside = (places.abs() <= 1).all(-1)
    return torch.where(inside, (pointing.best() - places).norm(dim=-1) * (IMAGE_SIZE / 2), torch.nan)


def pointing_errors(distances: Tensor, views: Sequence[str]) -> dict[str, float]:
    """[B, V, K] -> <view>_<landmark>_near (share within NEAR) and _px (median)."""
    errors = {}
    for v, view in enumerate(views):
        for k, landmark in enumerate(LANDMARKS):
            seen = distances[:, v, k][~distances[:, v, k].isnan()]
            errors[f"{view}_{landmark}_near"] = float((seen < NEAR).float().mean())
            errors[f"{view}_{landmark}_px"] = float(seen.median()) if len(seen) else float("nan")
    return errors
