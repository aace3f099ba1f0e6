"""Batches of windows in random order, whose position can be saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class WindowBatches:
    """Endless batches over `indices` in seeded random order; the position can be saved and restored exactly.

    collate(chosen indices [B], generator) -> batch. It may draw from the generator (augmentation, points, noise): the
    generator's state between two batches is all that a resumed run needs.
    """

    def __init__(
        self, indices: Tensor, batch_size: int, seed: int, collate: Callable[[Tensor, torch.Generator], Any]
    ) -> None:
        if batch_size < 1 or not len(indices):
            raise ValueError(f"cannot make batches of {batch_size} from {len(indices)} windows")
        self.indices, self.batch_size, self.seed, self.collate = indices, batch_size, seed, collate
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> WindowBatches:
        return self

    def __next__(self) -> Any:
        while len(self.order) < self.batch_size:
            self.order = torch.cat([self.order, torch.randperm(len(self.indices), generator=self.generator)])
        chosen, self.order = self.order[: self.batch_size], self.order[self.batch_size :]
        return self.collate(self.indices[chosen], self.generator)

    def shard(self, number: int, count: int) -> WindowBatches:
        """Batches of every `count`-th of the indices, from `number` on, in an order of their own."""
        return WindowBatches(self.indices[number::count], self.batch_size, self.seed + number, self.collate)

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state(), "order": self.order.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.order = state["order"].cpu().clone()
