"""The batches of a step: one, or several whose gradients are averaged, spread over the processes there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zipmo_ros.training import distributed

_SEEDS_APART = 1_000_003


class Batches(Protocol):
    """An endless iterator whose position can be saved. shard: part `number` of `count`, which share the data."""

    def __next__(self) -> Any: ...

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...

    def shard(self, number: int, count: int) -> Batches: ...


class Shards:
    """This process's batches of each step, each with generators of its own: for what the loss draws, and of several
    for what the model's dropout does (of one that is torch's own).

    What a shard draws depends on its number and on how many there are, not on who computes it: two processes with one
    each do what one process with two does. Raises ValueError where they can't be spread evenly.
    """

    def __init__(self, batches: Batches, count: int, seed: int, device: torch.device) -> None:
        if count % distributed.size():
            raise ValueError(f"train.shards={count} can't be spread over {distributed.size()} processes")
        self.count, each = count, count // distributed.size()
        numbers = range(distributed.rank() * each, (distributed.rank() + 1) * each)
        self.batches = [batches if count == 1 else batches.shard(number, count) for number in numbers]
        self.generators = [
            torch.Generator(device=device).manual_seed(seed + _SEEDS_APART * number) for number in numbers
        ]
        self._dropout = [_state(seed + _SEEDS_APART * number, device) for number in numbers] if count > 1 else []
        self._default = _default_generator(device)
        self._own = slice(numbers.start, numbers.stop)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Any, torch.Generator]]:
        """A batch of each and its generator; what torch itself draws meanwhile is that batch's own."""
        for number, (batches, generator) in enumerate(zip(self.batches, self.generators, strict=True)):
            with self._drawing(number):
                yield next(batches), generator

    @contextmanager
    def _drawing(self, number: int) -> Iterator[None]:
        if not self._dropout:
            yield
            return
        before = self._default.get_state()
        self._default.set_state(self._dropout[number])
        yield
        self._dropout[number] = self._default.get_state()
        self._default.set_state(before)

    def state_dict(self) -> dict[str, Any]:
        """Of all processes' shards; each of them has to ask."""
        batches = distributed.gathered([batches.state_dict() for batches in self.batches])
        generators = distributed.gathered([generator.get_state() for generator in self.generators])
        if self.count == 1:
            return {"batches": batches[0], "generator": generators[0]}
        return {"batches": batches, "generator": generators, "dropout": distributed.gathered(self._dropout)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        of_batches, of_generators = state["batches"], state["generator"]
        if self.count == 1:
            of_batches, of_generators = [of_batches], [of_generators]
        for batches, theirs in zip(self.batches, of_batches[self._own], strict=True):
            batches.load_state_dict(theirs)
        for generator, its in zip(self.generators, of_generators[self._own], strict=True):
            generator.set_state(its.cpu())
        if self._dropout:
            self._dropout = [its.cpu() for its in state["dropout"][self._own]]


def _default_generator(device: torch.device) -> torch.Generator:
    """What dropout draws from."""
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    return torch.default_generator


def _state(seed: int, device: torch.device) -> Tensor:
    return torch.Generator(device=device).manual_seed(seed).get_state()


class Objective(nn.Module):
    """The loss of a batch as a module, so that DistributedDataParallel averages its gradients whatever parts of the
    model the loss calls.
    """

    def __init__(self, model: nn.Module, loss_fn: Any) -> None:
        super().__init__()
        self.model, self.loss_fn = model, loss_fn

    def forward(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        return self.loss_fn(self.model, batch, generator)


def objective(model: nn.Module, loss_fn: Any) -> nn.Module:
    """The loss of a batch, whose gradients are the mean over all processes'."""
    whole = Objective(model, loss_fn)
    if distributed.size() == 1:
        return whole
    return nn.parallel.DistributedDataParallel(whole, find_unused_parameters=True)
