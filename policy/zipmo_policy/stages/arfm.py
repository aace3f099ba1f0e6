"""Training ARFM's policy: as behaviour cloning, with true future tracks (paper section 3.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from zipmo_policy.arfm import ArfmPolicy, nano
from zipmo_policy.stages.cloning import ActionBatch, CloningOptions, CloningStage
from zipmo_policy.stages.tracks import drifting, followed
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import model_config


@dataclass(frozen=True)
class ArfmPolicyOptions(CloningOptions):
    """See config/hydra/stage/arfm_policy.yaml."""

    points: int
    temperature: float
    track_noise: float


class ArfmPolicyStage(CloningStage):
    needs_tracks = True
    options_class = ArfmPolicyOptions
    options: ArfmPolicyOptions
    model: ArfmPolicy

    @classmethod
    def network(cls, request: TrainingRequest, encoder: ConvEncoder | None) -> ArfmPolicy:
        config = model_config({"nano": nano}, request, "arfm_policy")
        if encoder:
            config = replace(config, cloning=replace(config.cloning, image=encoder.config))
        return ArfmPolicy(config)

    def tracks(self, indices: Tensor, shifts: Tensor | None, generator: torch.Generator) -> Tensor:
        """True ones; those of training with noise, and where the images were shifted to."""
        options, scale = self.options, self.model.config.pixels / 2
        temperature = torch.full((len(indices),), options.temperature)
        tracks = followed(self.windows, indices, options.points, scale, temperature, generator)
        if shifts is None:
            return tracks
        return drifting(tracks, options.track_noise / scale, generator) + rearrange(shifts, "b v c -> b v 1 1 c")

    def predict(self, model: Any, batch: ActionBatch) -> tuple[Tensor, Pointing | None]:
        tokens, pointing = model.image_encoder.look(batch.images, batch.told.text)
        return model.actions(tokens, batch.proprio, batch.tracks), pointing
