"""The stages of training: what each is for, and where its class is, which is imported when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zipmo_ros.training.stage import Stage


class Entry(NamedTuple):
    module: str
    attribute: str
    summary: str


STAGES = {
    "vae": Entry(
        "zipmo_ros.training.stages.vae", "VaeStage", "autoencoder of point tracks: latents that the planner generates"
    ),
    "grounding": Entry(
        "zipmo_ros.training.stages.grounding",
        "GroundingStage",
        "image encoder that points at what a sentence names: where the planner's starts from",
    ),
    "planner": Entry(
        "zipmo_ros.training.stages.planner",
        "PlannerStage",
        "flow matching from images and sentence to latents; needs vae=, takes the image encoder of encoder=",
    ),
    "arfm": Entry(
        "zipmo_ros.training.stages.arfm",
        "ArfmStage",
        "ARFM, a planner of tracks: autoregressive flow matching; takes the image encoder of encoder=",
    ),
    "atm": Entry(
        "zipmo_ros.training.stages.atm",
        "AtmStage",
        "ATM, a planner of tracks: a track transformer with masked images; takes the image encoder of encoder=",
    ),
    "policy": Entry(
        "zipmo_policy.stages.head",
        "HeadStage",
        "inverse dynamics from latents and proprioception to actions; needs vae=",
    ),
    "track_policy": Entry(
        "zipmo_policy.stages.tracks",
        "TrackPolicyStage",
        "inverse dynamics from tracks, of any planner of tracks, and proprioception to actions",
    ),
    "atm_policy": Entry(
        "zipmo_policy.stages.atm",
        "AtmPolicyStage",
        "ATM's policy, from images, sentence and the tracks of planner=; takes the image encoder of encoder=",
    ),
    "arfm_policy": Entry(
        "zipmo_policy.stages.arfm",
        "ArfmPolicyStage",
        "ARFM's policy, behaviour cloning that is told the tracks of a plan; takes the image encoder of encoder=",
    ),
    "bc": Entry(
        "zipmo_policy.stages.cloning",
        "CloningStage",
        "behaviour cloning, the baseline without a motion plan; takes the image encoder of encoder=",
    ),
}


def stage_class(name: str) -> type[Stage]:
    """Raises ValueError for an unknown stage, naming those there are."""
    if name not in STAGES:
        raise ValueError(f"no stage '{name}'; there are {', '.join(STAGES)}")
    entry = STAGES[name]
    return getattr(importlib.import_module(entry.module), entry.attribute)
