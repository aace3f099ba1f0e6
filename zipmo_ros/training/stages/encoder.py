"""The image encoder that a stage starts from, and what it is to understand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.sentence import SentenceInput
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.understanding import Understood


def load_encoder(directory: Path | str) -> ConvEncoder:
    """Of a checkpoint of the grounding stage, or the one inside a planner. Raises CheckpointError for anything else."""
    if checkpoint.read_description(directory)["kind"] != MotionPlanner.kind:
        return checkpoint.load(directory, ConvEncoder)
    encoder = checkpoint.load(directory, MotionPlanner).image_encoder
    if not isinstance(encoder, ConvEncoder):
        raise checkpoint.CheckpointError(f"the planner of {directory} has no image encoder that is trained here")
    return encoder


def seeing_as(config: Any, encoder: ConvEncoder | None) -> Any:
    """A model's configuration with the images and sentences of an encoder; None: as it is."""
    return config if encoder is None else replace(config, image=encoder.config, text=encoder.config.text or config.text)


def start_reading_as(sentence: SentenceInput, encoder: ConvEncoder) -> None:
    """Have a sentence's tokens read as an encoder has learned to, if that reads them in the same way."""
    theirs = encoder.sentence
    if theirs is not None and theirs.reader is not None and sentence.config == theirs.config:
        sentence.load_state_dict(theirs.state_dict())


def keep_if_asked(encoder: nn.Module | None, request: TrainingRequest) -> None:
    """What the request freezes of the encoder has no gradients, its own statistics of sentences, and reads as it will
    in the loop, without dropout. Raises ValueError for an encoder of which that can't be kept apart.
    """
    if encoder is None or request.freeze == "none":
        return
    if request.encoder:
        checkpoint.load_strictly(encoder, load_encoder(request.encoder).state_dict(), request.encoder)
    if request.freeze == "encoder":
        kept = [encoder]
    elif isinstance(encoder, ConvEncoder):
        kept = encoder.reading()
    else:
        raise ValueError("freeze=reading is for an image encoder that is trained here")
    for part in kept:
        part.requires_grad_(False).eval()
        part.train = lambda mode=True, part=part: part  # type: ignore[method-assign, misc]


def understanding(
    windows: DemonstrationWindows, encoder: ConvEncoder, words: Sentences, count: int, request: TrainingRequest
) -> Understood | None:
    """What measures whether an encoder understands, `count` times where validation demonstrations begin, for it is then
    that a sentence is judged; None if it can't say, or if it is kept as it was trained and calibrated.

    Raises ValueError where it would not be told (by `words`) what can't be done, or where sentences point.
    """
    if not encoder.config.understanding or request.freeze == "encoder":
        return None
    windows.check_told()
    if not words.impossible:
        raise ValueError("what is to be refused comes out of rules: rephrasings=config/wordings/train.yaml")
    _, validation = windows.split(request.validation_states)
    begun = validation[windows.begins()[validation]]
    chosen = begun[torch.arange(count) * len(begun) // count]
    return Understood(windows, chosen, encoder, request.seed, request.cache)
