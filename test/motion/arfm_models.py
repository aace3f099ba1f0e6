"""A small ARFM that still has every part of nano."""

import dataclasses

import numpy as np
import torch

from zipmo_ros.motion.arfm.config import ArfmConfig, EditConfig
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.arfm.sampling import contexts_of, following

from .conftest import CONV_VIEWS, awaken

TINY = ArfmConfig(
    image=dataclasses.replace(CONV_VIEWS, landmarks=1),
    text=CONV_VIEWS.text,
    width=64,
    depth=4,
    hidden=96,
    head_depth=2,
    time_width=32,
    global_grid=2,
    views=2,
    points=5,
    context=20,
    steps=3,
    edit=EditConfig(rule="translate", start=0.25, steps=2),
)


def tiny(**changes):
    torch.manual_seed(0)
    return awaken(MotionPredictor(dataclasses.replace(TINY, **changes)))


def inputs(batch=2, steps=4, frames=2, seed=1):
    """Images [R, 2, ...] of `batch` samples, `frames` of each, sample-major; sentences; points [B, 2, 5, steps, 2]."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (batch * frames, 2, 32, 32, 3), dtype=torch.uint8, generator=generator)
    text = torch.randn(batch, 384, generator=generator) / 20
    points = torch.rand(batch, 2, TINY.points, steps, 2, generator=generator) * 1.6 - 0.8
    return images, text, points


def context_of(model, images, text, steps, frame_steps=(0, 2), guidance=1.0):
    """Contexts of samples whose frames were seen at `frame_steps`; for guidance two, else one."""
    count = len(frame_steps)
    frame_of, seen = following(frame_steps, steps)
    rows = torch.arange(len(text))[:, None]
    sample = torch.arange(len(text)).repeat_interleave(count)
    shape = (len(text), steps)
    return contexts_of(model, images, sample, frame_of + count * rows, seen.expand(shape), text, guidance)[0]


def still_tracker():
    """A Tracker for which nothing moves and nothing is lost."""

    class Still:
        def track(self, frames, queries):
            shape = len(queries), len(frames)
            return np.repeat(queries[:, None], len(frames), axis=1), np.ones(shape, bool)

    return Still()
