"""Where workers of a pool live: what a place offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Serve = Callable[..., None]  # see pool.run_jobs
GRACE = 10.0  # s, for workers to put away what they have built when they are to end early


class LostError(Exception):
    """A worker is gone; the message is how, as far as its place knows. with_machine: so is what it ran on."""

    def __init__(self, how: str, with_machine: bool = False):
        super().__init__(how)
        self.with_machine = with_machine


class PoolWorker(Protocol):
    """A process that serves one group; hashable."""

    def give(self, job: Any) -> None:
        """Its next job. Raises LostError."""
        ...

    def take(self) -> Any:
        """The outcome of the job that it has, waiting for it. Raises LostError."""
        ...

    def part(self) -> None:
        """There are no more jobs: wait for its end."""
        ...


Servant = TypeVar("Servant", bound=PoolWorker)


class Place(Protocol[Servant]):
    """Where workers live."""

    def room(self, wanted: int) -> int:
        """How many of so many workers find a place, at least one."""
        ...

    def start(self, serve: Serve, group: str, arguments: tuple) -> Servant: ...

    def wait(self, workers: Sequence[Servant]) -> list[Servant]:
        """Those that have an outcome, or are lost, as soon as there is one."""
        ...

    def end(self, workers: Sequence[Servant]) -> None:
        """End these, whatever they are doing."""
        ...
