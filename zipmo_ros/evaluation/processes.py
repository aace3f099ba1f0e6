"""Workers as spawned processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any

from zipmo_ros.evaluation.places import GRACE, LostError, Serve


class Spawned:
    """A PoolWorker (places.py). An early end is a KeyboardInterrupt in `serve`."""

    def __init__(self, context: SpawnContext, serve: Serve, group: str, arguments: tuple):
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(serve, group, theirs, arguments), daemon=True)
        self.process.start()
        theirs.close()  # so that the process's death ends the connection

    def give(self, job: Any) -> None:
        try:
            self.connection.send(job)
        except OSError as error:
            raise LostError(str(error)) from error

    def take(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join()
            raise LostError(f"exit code {self.process.exitcode}") from error

    def part(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone
            self.connection.send(None)
        self.connection.close()
        self.process.join()


class Processes:
    """A Place."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")

    def room(self, wanted: int) -> int:
        return wanted

    def start(self, serve: Serve, group: str, arguments: tuple) -> Spawned:
        return Spawned(self._context, serve, group, arguments)

    def wait(self, workers: Sequence[Spawned]) -> list[Spawned]:
        ready = wait([worker.connection for worker in workers])
        return [worker for worker in workers if worker.connection in ready]

    def end(self, workers: Sequence[Spawned]) -> None:
        for worker in workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join(GRACE)
            worker.process.kill()
            worker.process.join()


def _serve(serve: Serve, group: str, connection: Connection, arguments: tuple) -> None:
    def jobs() -> Iterator[Any]:
        while (job := connection.recv()) is not None:
            yield job

    _upon_signals(_end)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the parent is gone, or the user is
        try:
            serve(group, jobs(), connection.send, *arguments)
        finally:
            _upon_signals(signal.SIG_IGN)  # what Python does at its exit is not to be unwound; who can't wait kills


def _end(*_: object) -> None:
    """Ctrl-C, or the end of the pool: unwind once, and let nothing disturb that."""
    _upon_signals(signal.SIG_IGN)
    raise KeyboardInterrupt


def _upon_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
