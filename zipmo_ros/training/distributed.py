"""The processes of a training: one, or those that torchrun has started. Without it everything here does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

PATIENCE = timedelta(hours=12)  # while the first process computes what all will read


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which process this is; the first one, 0, alone writes files and talks."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Be one of torchrun's processes, if it has started this one; `cuda` is a GPU of its own for each."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def in_turn() -> Iterator[None]:
    """The first process goes ahead, so that the others find on disk what it has computed."""
    if size() > 1 and rank():
        dist.barrier()
    yield
    if size() > 1 and not rank():
        dist.barrier()


def averaged(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Means of scalars over the processes."""
    if size() == 1:
        return values
    stacked = torch.stack([value.float() for value in values.values()])
    dist.all_reduce(stacked)
    return dict(zip(values, stacked / size(), strict=True))


def first_says(values: list[float], device: torch.device) -> list[float]:
    """What the first process has, so that all decide alike."""
    if size() == 1:
        return values
    told = torch.tensor(values, dtype=torch.float64, device=device)
    dist.broadcast(told, 0)
    return told.tolist()


def gathered(part: list[Any]) -> list[Any]:
    """The lists of all processes, one after another."""
    if size() == 1:
        return part
    parts: list[Any] = [None] * size()
    dist.all_gather_object(parts, part)
    return [item for each in parts for item in each]
