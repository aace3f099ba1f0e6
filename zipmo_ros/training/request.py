"""A typed request for training; config/hydra/train.yaml and its stages hold the values and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from zipmo_ros.contract.share import share_path
from zipmo_ros.contract.splits import VALIDATION
from zipmo_ros.motion.config import from_dict
from zipmo_ros.training.loop import TrainConfig

Freeze = Literal["none", "reading", "encoder"]
FREEZE = get_args(Freeze)


@dataclass(frozen=True)
class TrainingRequest:
    """The keys of config/hydra/train.yaml. stage: a stage's name and options; model: a preset and changes to it."""

    stage: dict[str, Any]
    train: TrainConfig
    model: dict[str, Any]
    data: str | tuple[str, ...]
    out: str
    vae: str | None
    encoder: str | None
    freeze: Freeze
    rephrasings: str | None
    wordings: int
    planner: str | None
    init: str | None
    cache: str | None
    device: str
    seed: int
    validation_states: tuple[int, ...]
    max_demos: int | None
    resume: bool

    @classmethod
    def of(cls, settings: dict[str, Any]) -> TrainingRequest:
        """From the composed configuration; what is null there and has a place of its own gets it.

        Raises ValueError that names absent and unknown keys, or for an encoder to keep that is none; FileNotFoundError
        for a file of rephrasings.
        """
        chosen = from_dict(cls, {**settings, "train": {**settings["train"], "seed": settings["seed"]}})
        if chosen.freeze not in FREEZE:
            raise ValueError(f"freeze is one of {', '.join(FREEZE)}, got '{chosen.freeze}'")
        if chosen.freeze != "none" and not (chosen.encoder or chosen.init):
            raise ValueError(f"freeze={chosen.freeze} keeps what was trained: name it by encoder=DIR")
        words = chosen.rephrasings
        return replace(
            chosen,
            out=chosen.out or f"runs/{chosen.stage['name']}",
            validation_states=tuple(VALIDATION if chosen.validation_states is None else chosen.validation_states),
            rephrasings=str(share_path(words)) if words and not Path(words).exists() else words,
        )
