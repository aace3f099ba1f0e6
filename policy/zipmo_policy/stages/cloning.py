"""Training behaviour cloning, the baseline, from the same images, sentences and image encoder as the planner.

The encoder keeps the pointing loss that the planner's keeps, so that the two differ in the motion plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from zipmo_policy.behaviour_cloning import BehaviourCloning, nano
from zipmo_policy.stages.actions import action_errors, noisy_proprio
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.losses import discounted_bc_loss
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.augmentation import AugmentConfig, augment
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import Stage, common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import keep_if_asked, load_encoder
from zipmo_ros.training.stages.grounding import pixels_off, pointing_errors
from zipmo_ros.training.telling import ToldFrames, tell


@dataclass(frozen=True)
class CloningOptions:
    """See config/hydra/stage/bc.yaml."""

    batch_size: int
    discount: float
    loss: str
    proprio_noise: float
    pointing_weight: float
    augment: AugmentConfig | None
    validation_windows: int


@dataclass(frozen=True)
class ActionBatch:
    """images [B, V, H, W, 3], and what they are told, a sentence each; proprio [B, 9], actions [B, 16, 7]. tracks
    [B, V, N, T, 2]: of policies that are given some.
    """

    images: Tensor
    told: ToldFrames
    proprio: Tensor
    actions: Tensor
    tracks: Tensor | None = None


class CloningStage(Stage):
    needs_tracks = False
    builds_on: ClassVar[tuple[str, ...]] = ("encoder", "init")
    options_class: ClassVar[type[CloningOptions]] = CloningOptions

    def __init__(self, windows, model: nn.Module, sentences: Sentences, options: CloningOptions, **common) -> None:
        super().__init__(windows, **common)
        self.headline = ("l1", "xyz_l1", "gripper", f"{windows.views[0]}_thing_near")
        self.options, self.sentences = options, sentences
        self.model = model.to(self.device)
        mean, self.proprio_std = windows.proprio_statistics(self.training)
        self.model.set_statistics(mean, self.proprio_std)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> CloningStage:
        encoder = load_encoder(request.encoder) if request.encoder else None
        model = cls.network(request, encoder)
        words = sentences(windows, model.image_encoder.config.text, request)
        set_sentence_statistics(model, words.vectors)
        if encoder:
            model.image_encoder.load_state_dict(encoder.state_dict())
        keep_if_asked(model.image_encoder, request)
        stage = cls(windows, model, words, options(cls.options_class, request), **common(request))
        return stage.start_from(request.init)

    @classmethod
    def network(cls, request: TrainingRequest, encoder: ConvEncoder | None) -> nn.Module:
        """A new model that looks as `encoder` does; None: as the request says."""
        config = model_config({"nano": nano}, request, "bc")
        return BehaviourCloning(replace(config, image=encoder.config) if encoder else config)

    def collate(self, indices: Tensor, generator: torch.Generator) -> ActionBatch:
        images, shifts = augment(self.windows.images[indices], self.options.augment, generator)
        proprio = noisy_proprio(self.windows.proprio[indices], self.proprio_std, self.options.proprio_noise, generator)
        told = tell(self.windows, self.sentences, indices, shifts, None, generator)
        return self.batch(images, told, proprio, self.windows.actions[indices], self.tracks(indices, shifts, generator))

    def batch(self, *parts: Any) -> ActionBatch:
        return ActionBatch(*(None if part is None else part.to(self.device) for part in parts))

    def tracks(self, indices: Tensor, shifts: Tensor | None, generator: torch.Generator) -> Tensor | None:
        """Of windows whose images were shifted so far [B, V, 2]; None: what validation measures with."""
        return None

    def loss(
        self, model: nn.Module, batch: ActionBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        predicted, pointing = self.predict(model, batch)
        cloned = discounted_bc_loss(predicted.float(), batch.actions, self.options.discount, self.options.loss)
        if pointing is None:
            return cloned, {}
        pointed, scalars = batch.told.loss(pointing, model.image_encoder.config.grid, 0.0)
        return cloned + self.options.pointing_weight * pointed, {"actions": cloned.detach(), **scalars}

    def predict(self, model: nn.Module, batch: ActionBatch) -> tuple[Tensor, Pointing | None]:
        """Actions [B, 16, 7], and where the image encoder points, if it does."""
        tokens, pointing = model.image_encoder.look(batch.images, batch.told.text)
        return model.actions(tokens, batch.proprio), pointing

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors of actions; where the image encoder points, if it does."""
        predicted, target, distances = [], [], []
        generator = torch.Generator().manual_seed(self.seed)
        for chosen in self.validation_indices(self.options.validation_windows).split(64):
            text = self.sentences.own(self.windows.sentence[chosen])
            told = ToldFrames(text, self.windows.own_landmarks(chosen))
            tracks = self.tracks(chosen, None, generator)
            seen = (self.windows.images[chosen], told, self.windows.proprio[chosen])
            batch = self.batch(*seen, self.windows.actions[chosen], tracks)
            actions, pointing = self.predict(model, batch)
            if pointing is not None:
                distances.append(pixels_off(pointing, batch.told.places))
            predicted.append(actions)
            target.append(batch.actions)
        errors = action_errors(torch.cat(predicted), torch.cat(target))
        pointed = pointing_errors(torch.cat(distances), self.windows.views) if distances else {}
        return {name: float(value) for name, value in {**errors, **pointed}.items()}
