"""A pool of processes, each serving one group of jobs, that outlives the death of any of them."""

import contextlib
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

_TRIES = 2
_GRACE = 10.0  # s, for processes to put away what they have built when they are to end early


class WorkerError(RuntimeError):
    """Processes of a group die whatever they are to do, before they have answered once: the cause isn't one job."""


@dataclass(frozen=True)
class Died:
    """The outcome of a job whose process died, twice."""

    exit_code: int | None


@dataclass
class _Worker:
    group: str
    process: BaseProcess
    job: Any = None


def run_jobs(
    serve: Callable[..., None], groups: Mapping[str, Iterable[Any]], workers: int, *arguments: Any
) -> Generator[tuple[str, Any, Any], None, None]:
    """Yield (group, job, outcome) in order of completion.

    serve: (group, jobs, answer, *arguments) -> None, importable: `jobs` is an iterator, and answer(outcome) is called
    once for each, before the next is asked for. Runs in fresh (spawned) processes that serve one group each, so that
    whatever a process builds for the group is made once, and its memory goes with it. Workers spread over groups as
    long as there are enough. A process gets its next job when the caller has dealt with its last outcome: who dies
    in between has lost one job a process. A job whose process dies is given to a new process once; then its outcome
    is Died. Closing the iterator ends the processes, by a KeyboardInterrupt in `serve`.

    Raises: WorkerError if two jobs of a group died before any other was answered.
    """
    pool = _Pool(serve, groups, arguments)
    try:
        while pool.active or pool.waiting():
            if pool.waiting() and len(pool.active) < workers:
                pool.start()
                continue
            for connection in wait(list(pool.active)):
                worker = pool.active[connection]
                try:
                    outcome = connection.recv()
                except (EOFError, OSError):
                    outcome = pool.bury(connection)
                    if outcome is not None:
                        yield worker.group, worker.job, outcome
                    continue
                pool.answered.add(worker.group)
                yield worker.group, worker.job, outcome
                pool.give(connection)
    finally:
        pool.end()


class _Pool:
    """The processes at work and the jobs that nobody has yet, by group."""

    def __init__(self, serve: Callable[..., None], groups: Mapping[str, Iterable[Any]], arguments: tuple):
        self.active: dict[Connection, _Worker] = {}
        self.answered: set[str] = set()  # groups
        self._context = multiprocessing.get_context("spawn")
        self._serve, self._arguments = serve, arguments
        self._pending = {group: deque(jobs) for group, jobs in groups.items()}
        self._deaths: Counter[tuple[str, Any]] = Counter()
        self._given_up: Counter[str] = Counter()

    def waiting(self) -> list[str]:
        """Groups with jobs that nobody has yet."""
        return [group for group, jobs in self._pending.items() if jobs]

    def start(self) -> None:
        """Start a process for the waiting group that has the fewest."""
        busy = Counter(worker.group for worker in self.active.values())
        group = min(self.waiting(), key=lambda group: busy[group])
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._serve, group, theirs, self._arguments), daemon=True)
        process.start()
        theirs.close()  # so that the process's death ends the connection
        self.active[ours] = _Worker(group, process)
        self.give(ours)

    def give(self, connection: Connection) -> None:
        """Send a process its next job, or None, and part with it, when there is none."""
        worker = self.active[connection]
        jobs = self._pending[worker.group]
        worker.job = jobs.popleft() if jobs else None
        try:
            connection.send(worker.job)
        except OSError:  # it died since its last answer
            if worker.job is not None:
                jobs.appendleft(worker.job)
            worker.job = None
        if worker.job is None:
            self._part(connection)

    def bury(self, connection: Connection) -> Died | None:
        """What became of the job of a process that has died; None if it is to be tried again."""
        worker = self._part(connection)
        self._deaths[worker.group, worker.job] += 1
        if self._deaths[worker.group, worker.job] < _TRIES:
            self._pending[worker.group].appendleft(worker.job)
            return None
        self._given_up[worker.group] += 1
        if worker.group not in self.answered and self._given_up[worker.group] >= _TRIES:
            raise WorkerError(
                f"processes for {worker.group} end with exit code {worker.process.exitcode} before they have done "
                "anything; what they wrote to the terminal says why"
            )
        return Died(worker.process.exitcode)

    def end(self) -> None:
        """End all processes, whatever they are doing."""
        for connection, worker in self.active.items():
            connection.close()
            worker.process.terminate()
        for worker in self.active.values():
            worker.process.join(_GRACE)
            worker.process.kill()
            worker.process.join()

    def _part(self, connection: Connection) -> _Worker:
        connection.close()
        self.active[connection].process.join()
        return self.active.pop(connection)


def _serve(serve: Callable[..., None], group: str, connection: Connection, arguments: tuple) -> None:
    def jobs() -> Iterator[Any]:
        while (job := connection.recv()) is not None:
            yield job

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the parent is gone, or the user is
        serve(group, jobs(), connection.send, *arguments)


def _end(*_: object) -> None:
    """Ctrl-C, or the end of the pool: unwind once, and let nothing disturb that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
