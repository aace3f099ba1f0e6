"""Frames beyond a window's first: those of later windows of the same demonstration."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zipmo_ros.data.windows import DemonstrationWindows


class SeenFrames(NamedTuple):
    """Frames of B windows, each frame once. rows: int64 [R], windows that start with them. sample: int64 [R], whose
    they are. frame_of: int64 [B, T], the newest of them at each step. seen: bool [B, T], whether the step's is there.
    """

    rows: Tensor
    sample: Tensor
    frame_of: Tensor
    seen: Tensor


def newest_rows(windows: DemonstrationWindows, steps: int) -> Tensor:
    """int64 [W, steps]: the window of the same demonstration that starts last by each step of a window."""
    span = int(windows.step.max()) + steps + 1  # keeps the demonstrations apart
    order_of = windows.demo * span + windows.step
    known, order = order_of.sort()
    asked = order_of[:, None] + torch.arange(steps)
    return order[torch.searchsorted(known, asked, right=True) - 1]


def seen_frames(newest: Tensor, seen_steps: Tensor) -> SeenFrames:
    """newest [B, T]: newest_rows of the chosen windows. seen_steps [B], at least 1: steps whose frames are seen; steps
    after them see the last one.
    """
    step = torch.arange(newest.shape[1])
    rows = newest.gather(1, torch.minimum(step, seen_steps[:, None] - 1))
    span = int(newest.max()) + 1
    keys = torch.arange(len(newest))[:, None] * span + rows
    frames, frame_of = keys.unique(return_inverse=True)
    return SeenFrames(frames % span, frames // span, frame_of, step < seen_steps[:, None])
