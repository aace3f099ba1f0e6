"""Training ATM's policy: as behaviour cloning, with the tracks that ATM's trained planner foresees in each image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import repeat
from torch import Tensor

from zipmo_policy.atm import AtmPolicy, AtmPolicyConfig, nano
from zipmo_policy.stages.cloning import ActionBatch, CloningOptions, CloningStage
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.atm.adapter import double_grid
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import keep_if_asked, load_encoder, seeing_as


class AtmPolicyStage(CloningStage):
    builds_on = ("planner", "encoder", "init")

    def __init__(
        self,
        windows,
        model: AtmPolicy,
        planner: TrackTransformer,
        sentences: Sentences,
        options: CloningOptions,
        **common,
    ) -> None:
        """planner: stays as it is."""
        super().__init__(windows, model, sentences, options, **common)
        self.planner = planner.to(self.device).eval().requires_grad_(False)
        grid = torch.from_numpy(np.ascontiguousarray(double_grid(planner.config.grid)))
        self.points = grid.to(self.device)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> AtmPolicyStage:
        """Raises ValueError without a planner, and for one that reads sentences in another way."""
        if not request.planner:
            raise ValueError("ATM's policy reads the tracks of ATM's planner: give it planner=DIR")
        planner = checkpoint.load(request.planner, TrackTransformer)
        encoder = load_encoder(request.encoder) if request.encoder else None
        config: AtmPolicyConfig = seeing_as(model_config({"nano": nano}, request, "atm_policy"), encoder)
        config = replace(config, points=planner.config.points, views=planner.config.views)
        read = [(text.encoder, bool(text.tokens)) for text in (config.text, planner.config.text)]
        if read[0] != read[1]:
            raise ValueError(
                "ATM's policy reads sentences in another way than its planner: give both the same encoder="
            )
        words, model = sentences(windows, config.text, request), AtmPolicy(config)
        set_sentence_statistics(model, words.vectors)
        if encoder and model.image_encoder is not None:
            model.image_encoder.load_state_dict(encoder.state_dict())
        keep_if_asked(model.image_encoder, request)
        stage = cls(windows, model, planner, words, options(CloningOptions, request), **common(request))
        stage.start_from(request.init)
        return stage

    def predict(self, model: Any, batch: ActionBatch) -> tuple[Tensor, Pointing | None]:
        with torch.no_grad():
            points = repeat(self.points, "n c -> b v n c", b=len(batch.images), v=self.planner.config.views)
            tracks, _ = self.planner.foresee(batch.images, batch.told.text, points)
        tokens, pointing = model.look(batch.images, batch.told.text)
        return model(tokens, tracks[:, None], batch.told.text, batch.proprio[:, None]), pointing
