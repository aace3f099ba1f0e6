"""Training settings as the YAML files have them, with some changed."""

import dataclasses

from omegaconf import OmegaConf

from zipmo_ros.apps.configuration import load
from zipmo_ros.motion.config import from_dict
from zipmo_ros.training.augmentation import AugmentConfig
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import options


def request(stage):
    return TrainingRequest.of(OmegaConf.to_container(load("train", [f"stage={stage}"]), resolve=True))


def stage_options(option_class, stage, **changes):
    return dataclasses.replace(options(option_class, request(stage)), **changes)


def train_config(**changes):
    """Of the stage `policy`, which trains in float32."""
    return dataclasses.replace(request("policy").train, **changes)


def augment_config(**changes):
    return from_dict(AugmentConfig, {**request("bc").stage["augment"], **changes})
