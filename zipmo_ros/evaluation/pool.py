"""A pool of processes, each serving one group of jobs, that outlives the death of any of them."""

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

_TRIES = 2


class WorkerError(RuntimeError):
    """Processes of a group die before they have answered once: the cause isn't one job."""


@dataclass(frozen=True)
class Died:
    """The outcome of a job whose process died, twice."""

    exit_code: int | None


@dataclass
class _Worker:
    group: str
    process: BaseProcess
    job: Any = None
    answered: bool = False


def run_jobs(
    serve: Callable[..., None], groups: dict[str, Iterable[Any]], workers: int, *arguments: Any
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (group, job, outcome) in order of completion.

    serve: (group, jobs, answer, *arguments) -> None, importable: `jobs` is an iterator, and answer(outcome) is called
    once for each. Runs in a fresh (spawned) process for each group, so that whatever it builds for the group is made
    once, and its memory goes with it. Workers spread over groups as long as there are enough.
    A job whose process dies is given to a new process once; then its outcome is Died.

    Raises: WorkerError if two processes of a group die before any of its jobs is answered.
    """
    context = multiprocessing.get_context("spawn")
    pending = {group: deque(jobs) for group, jobs in groups.items()}
    deaths: Counter[tuple[str, Any]] = Counter()
    stillborn: Counter[str] = Counter()
    active: dict[Connection, _Worker] = {}

    def start(group: str) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(serve, group, theirs, arguments), daemon=True)
        process.start()
        theirs.close()  # so that the process's death ends the connection
        active[ours] = _Worker(group, process)
        give(ours)

    def give(connection: Connection) -> None:
        worker = active[connection]
        queue = pending[worker.group]
        worker.job = queue.popleft() if queue else None
        try:
            connection.send(worker.job)
        except OSError:  # it died since its last answer
            if worker.job is not None:
                queue.appendleft(worker.job)
            worker.job = None
        if worker.job is None:
            connection.close()
            worker.process.join()
            del active[connection]

    try:
        while active or any(pending.values()):
            busy = Counter(worker.group for worker in active.values())
            waiting = [group for group, queue in pending.items() if queue]
            if waiting and len(active) < workers:
                start(min(waiting, key=lambda group: busy[group]))
                continue
            for connection in wait(list(active)):
                worker = active[connection]
                try:
                    outcome = connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    del active[connection]
                    stillborn[worker.group] += not worker.answered
                    deaths[worker.group, worker.job] += 1
                    if stillborn[worker.group] >= _TRIES:
                        raise WorkerError(
                            f"processes for {worker.group} end with exit code {worker.process.exitcode} before they "
                            "have done anything; what they wrote to the terminal says why"
                        ) from None
                    if deaths[worker.group, worker.job] < _TRIES:
                        pending[worker.group].appendleft(worker.job)
                        continue
                    yield worker.group, worker.job, Died(worker.process.exitcode)
                    continue
                worker.answered, job = True, worker.job
                stillborn[worker.group] = 0
                give(connection)
                yield worker.group, job, outcome
    finally:
        for worker in active.values():
            worker.process.terminate()
            worker.process.join()


def _serve(serve: Callable[..., None], group: str, connection: Connection, arguments: tuple) -> None:
    def jobs() -> Iterator[Any]:
        while (job := connection.recv()) is not None:
            yield job

    try:
        serve(group, jobs(), connection.send, *arguments)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):  # the parent is gone, or the user is
        return
