"""A small ATM that still has every part of nano."""

import dataclasses

import torch

from zipmo_ros.motion.atm.config import AtmConfig
from zipmo_ros.motion.atm.track_transformer import TrackTransformer

from .conftest import CONV_VIEWS, awaken

IMAGE = dataclasses.replace(CONV_VIEWS, landmarks=1)
TINY_ATM = AtmConfig(
    image=IMAGE,
    text=CONV_VIEWS.text,
    width=32,
    depth=2,
    heads=2,
    dropout=0.0,
    image_size=32,
    patch=32 // IMAGE.grid,
    grid=2,
)


def tiny_atm(**changes):
    torch.manual_seed(0)
    return awaken(TrackTransformer(dataclasses.replace(TINY_ATM, **changes)))
