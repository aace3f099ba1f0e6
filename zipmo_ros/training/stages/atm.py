"""Training ATM's track transformer: where points of a first image go, told a sentence, and what hidden patches hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.atm.config import AtmConfig, atm_nano, atm_published
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.augmentation import AugmentConfig, augment
from zipmo_ros.training.points import PlanFigures, taken
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import Stage, common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import keep_if_asked, load_encoder, seeing_as, start_reading_as, understanding
from zipmo_ros.training.telling import TellingOptions, ToldFrames, tell
from zipmo_ros.training.understanding import Understood


@dataclass(frozen=True)
class AtmOptions:
    """See config/hydra/stage/atm.yaml."""

    batch_size: int
    points: int
    track_weight: float
    occluded_weight: float
    hide_image: float
    image_weight: float
    augment: AugmentConfig | None
    pointing_weight: float
    telling: TellingOptions
    validation_windows: int

    def __post_init__(self) -> None:
        if not 0 <= self.hide_image <= 1:
            raise ValueError(f"hide_image is a probability, got {self.hide_image}")


@dataclass(frozen=True)
class MaskedBatch:
    """images [B, V, H, W, 3], hidden [B, V, L] bool, their tokens that are to be reconstructed; told: each its own
    sentence first. tracks [B, V, N, T, 2] in these images, visible bool.
    """

    images: Tensor
    hidden: Tensor
    told: ToldFrames
    tracks: Tensor
    visible: Tensor


class AtmStage(Stage):
    builds_on = ("encoder", "init")
    headline = PlanFigures.headline
    model: TrackTransformer

    def __init__(self, windows, model: TrackTransformer, sentences: Sentences, options: AtmOptions,
                 understood: Understood | None = None, **common) -> None:  # fmt: skip
        super().__init__(windows, **common)
        self.options, self.sentences, self.understood = options, sentences, understood
        self.telling = options.telling if understood else None
        self.model = model.to(self.device)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> AtmStage:
        chosen, model = options(AtmOptions, request), initial_transformer(request)
        words = sentences(windows, model.config.text, request)
        if request.encoder or not request.init:
            set_sentence_statistics(model, words.vectors)
        keep_if_asked(model.image_encoder, request)
        understood = None
        if model.image_encoder is not None:
            understood = understanding(windows, model.image_encoder, words, chosen.validation_windows, request)
        return cls(windows, model, words, chosen, understood, **common(request))

    def collate(self, indices: Tensor, generator: torch.Generator) -> MaskedBatch:
        options = self.options
        images, shifts = augment(self.windows.images[indices], options.augment, generator)
        tracks, visible = self.windows.tracks_anywhere(indices)
        chosen = self.seen_at_first(visible, generator)
        tokens = self.model.config.patches**2
        batch = MaskedBatch(
            images=images,
            hidden=torch.rand(*images.shape[:2], tokens, generator=generator) < options.hide_image,
            told=tell(self.windows, self.sentences, indices, shifts, self.telling, generator),
            tracks=taken(tracks, chosen) + shifts[:, :, None, None],
            visible=taken(visible, chosen),
        )
        return MaskedBatch(**{name: value.to(self.device) for name, value in vars(batch).items()})

    def seen_at_first(self, visible: Tensor, generator: torch.Generator) -> Tensor:
        """Points [B, V, N], drawn with replacement from those that are visible at first (from all where none is)."""
        weights = visible[..., 0].float() + 1e-6
        drawn = torch.multinomial(weights.flatten(0, 1), self.options.points, replacement=True, generator=generator)
        return drawn.unflatten(0, visible.shape[:2])

    def loss(self, model: Any, batch: MaskedBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        options = self.options
        own = batch.told.first(len(batch.images))
        tokens, pointing = model.look(batch.images, batch.told.text)
        tracks, patches = model(tokens[own], batch.told.text[own], batch.tracks[:, :, :, 0], pointing, batch.hidden)
        moved = track_error(tracks.float(), batch.tracks, batch.visible, options.occluded_weight)
        errors = (patches.float() - model.patches(batch.images)).square().mean(dim=-1)
        image = (errors * batch.hidden).sum() / batch.hidden.sum().clamp_min(1)
        total, told = options.track_weight * moved, {"tracks": moved.detach(), "image": image.detach()}
        total = total + options.image_weight * image
        if pointing is not None:
            encoding, scalars = batch.told.loss(pointing, model.config.patches, options.telling.understanding_weight)
            return total + options.pointing_weight * encoding, {**told, **scalars}
        return total, told

    def validate(self, model: Any) -> dict[str, float]:
        """Errors of all views, and of each one, at points that are seen at first; what the image encoder refuses."""
        figures, generator = PlanFigures(self.windows.views), torch.Generator().manual_seed(self.seed)
        for chosen in self.validation_indices(self.options.validation_windows).split(16):
            tracks, visible = self.windows.tracks_anywhere(chosen)
            points = self.seen_at_first(visible, generator)
            target = taken(tracks, points)
            moving = self.windows.moving[chosen][:, :, self.windows.anywhere]
            images, starts = self.windows.images[chosen], target[:, :, :, 0]
            own, another = (
                predict_tracks(model, images, self.sentences.own(rows), starts)
                for rows in (self.windows.sentence[chosen], self.windows.another_sentence(chosen))
            )
            figures.add(own, another, target, taken(visible, points), taken(moving, points))
        refused = self.understood.figures(model.image_encoder) if self.understood else {}
        return {**figures.means(), **refused}

    def save(self, model: Any, directory: Path, meta: dict) -> None:
        """With what counts as understood, as the image encoder is now."""
        if self.understood:
            self.understood.calibrate(model.image_encoder)
            model.config = replace(model.config, image=model.image_encoder.config)
        super().save(model, directory, meta)


def track_error(predicted: Tensor, target: Tensor, visible: Tensor, occluded_weight: float) -> Tensor:
    """Mean squared error of tracks [B, V, N, T, 2], in sides of the frame; what is not visible counts less."""
    weight = torch.where(visible, 1.0, occluded_weight)
    return (weight[..., None] * ((predicted - target) / 2).square()).mean()


def initial_transformer(request: TrainingRequest) -> TrackTransformer:
    """The weights of `init=DIR`, or a new one; with the image encoder of `encoder=DIR` if that is given, and sentences
    read as it does.
    """
    encoder = load_encoder(request.encoder) if request.encoder else None
    if request.init:
        model = checkpoint.load(request.init, TrackTransformer)
    else:
        config: AtmConfig = model_config({"nano": atm_nano, "base": atm_published}, request, "atm")
        model = TrackTransformer(seeing_as(config, encoder))
    if encoder and model.image_encoder is not None:
        checkpoint.load_strictly(model.image_encoder, encoder.state_dict(), str(request.encoder))
        if not request.init:
            start_reading_as(model.sentence, encoder)
    return model


@torch.no_grad()
def predict_tracks(model: TrackTransformer, images: Tensor, text: Tensor, starts: Tensor) -> Tensor:
    """Tracks [B, V, N, T, 2] on the CPU; images [B, V, H, W, 3], text [B, ...], starts [B, V, N, 2]."""
    images, text, starts = (part.to(model.hidden_image.device) for part in (images, text, starts))
    return model.foresee(images, text, starts)[0].float().cpu()
