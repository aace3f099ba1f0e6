"""Training behaviour cloning, the baseline, from the same images, sentences and image encoder as the planner."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zipmo_policy.behaviour_cloning import BehaviourCloning, nano
from zipmo_policy.stages.actions import action_errors, noisy_proprio
from zipmo_ros.motion.losses import discounted_bc_loss
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.augmentation import AugmentConfig, augment
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import Stage, common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import load_encoder


@dataclass(frozen=True)
class CloningOptions:
    """See config/hydra/stage/bc.yaml."""

    batch_size: int
    discount: float
    loss: str
    proprio_noise: float
    augment: AugmentConfig | None
    validation_windows: int


@dataclass(frozen=True)
class ActionBatch:
    """images [B, V, H, W, 3], text [B, D], proprio [B, 9], actions [B, 16, 7]."""

    images: Tensor
    text: Tensor
    proprio: Tensor
    actions: Tensor


class CloningStage(Stage):
    needs_tracks = False
    builds_on = ("encoder", "init")
    headline = ("l1", "xyz_l1", "gripper")

    def __init__(
        self, windows, model: BehaviourCloning, sentences: Sentences, options: CloningOptions, **common
    ) -> None:
        super().__init__(windows, **common)
        self.options, self.sentences = options, sentences
        self.model = model.to(self.device)
        mean, self.proprio_std = windows.proprio_statistics(self.training)
        self.model.set_statistics(mean, self.proprio_std)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> CloningStage:
        config = model_config({"nano": nano}, request, "bc")
        words = sentences(windows, config.image.text, request)
        model = BehaviourCloning(config)
        set_sentence_statistics(model, words.vectors)
        if request.encoder:
            model.image_encoder.load_state_dict(load_encoder(request.encoder).state_dict())
        stage = cls(windows, model, words, options(CloningOptions, request), **common(request))
        return stage.start_from(request.init)

    def collate(self, indices: Tensor, generator: torch.Generator) -> ActionBatch:
        images, _ = augment(self.windows.images[indices], self.options.augment, generator)
        proprio = noisy_proprio(self.windows.proprio[indices], self.proprio_std, self.options.proprio_noise, generator)
        text = self.sentences.draw(indices, self.windows.sentence[indices], generator)
        return self.batch(indices, images, text, proprio)

    def batch(self, indices: Tensor, images: Tensor, text: Tensor, proprio: Tensor) -> ActionBatch:
        parts = (images, text, proprio, self.windows.actions[indices])
        return ActionBatch(*(part.to(self.device) for part in parts))

    def loss(
        self, model: nn.Module, batch: ActionBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        predicted = model(batch.images, batch.text, batch.proprio).float()
        return discounted_bc_loss(predicted, batch.actions, self.options.discount, self.options.loss), {}

    def validate(self, model: nn.Module) -> dict[str, float]:
        predicted, target = [], []
        for chosen in self.validation_indices(self.options.validation_windows).split(64):
            text = self.sentences.own(self.windows.sentence[chosen])
            batch = self.batch(chosen, self.windows.images[chosen], text, self.windows.proprio[chosen])
            predicted.append(model(batch.images, batch.text, batch.proprio))
            target.append(batch.actions)
        return {name: float(value) for name, value in action_errors(torch.cat(predicted), torch.cat(target)).items()}
