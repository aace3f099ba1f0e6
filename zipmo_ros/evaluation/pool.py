"""A pool of workers, each serving one group of jobs, that outlives the death of any of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zipmo_ros.evaluation.places import LostError, Place, PoolWorker, Serve
from zipmo_ros.evaluation.processes import Processes

_TRIES = 2


class WorkerError(RuntimeError):
    """Workers of a group die whatever they are to do, before they have answered once: the cause isn't one job."""


@dataclass(frozen=True)
class Died:
    """The outcome of a job whose worker died, twice. how: the second time; see LostError."""

    how: str


def run_jobs(
    serve: Serve, groups: Mapping[str, Iterable[Any]], workers: int, *arguments: Any, place: Place | None = None
) -> Generator[tuple[str, Any, Any], None, None]:
    """Yield (group, job, outcome) in order of completion.

    serve: (group, jobs, answer, *arguments) -> None, importable: `jobs` is an iterator, and answer(outcome) is called
    once for each, before the next is asked for. Runs in fresh processes that serve one group each, so that whatever a
    worker builds for the group is made once, and its memory goes with it; where, says `place` (None: on this machine).
    Workers spread over groups as long as there are enough. A worker gets its next job when the caller has dealt with
    its last outcome: who dies in between has lost one job a worker. A job whose worker dies is given to a new one once;
    then its outcome is Died. A worker that goes with its machine does not count. Closing the iterator ends the workers.

    Raises: WorkerError if two jobs of a group died before any other was answered.
    """
    pool = _Pool(place or Processes(), serve, groups, arguments)
    try:
        while pool.active or pool.waiting():
            if pool.waiting() and len(pool.active) < pool.place.room(workers):
                pool.start()
                continue
            for worker in pool.place.wait(list(pool.active)):
                group, job = pool.active[worker]
                try:
                    outcome = worker.take()
                except LostError as lost:
                    outcome = pool.bury(worker, lost)
                    if outcome is not None:
                        yield group, job, outcome
                    continue
                pool.answered.add(group)
                yield group, job, outcome
                pool.give(worker)
    finally:
        pool.place.end(list(pool.active))


class _Pool:
    """The workers with their groups and jobs, and the jobs that nobody has yet, by group."""

    def __init__(self, place: Place, serve: Serve, groups: Mapping[str, Iterable[Any]], arguments: tuple):
        self.place = place
        self.active: dict[PoolWorker, tuple[str, Any]] = {}
        self.answered: set[str] = set()  # groups
        self._start: Callable[[str], PoolWorker] = lambda group: place.start(serve, group, arguments)
        self._pending = {group: deque(jobs) for group, jobs in groups.items()}
        self._deaths: Counter[tuple[str, Any]] = Counter()
        self._given_up: Counter[str] = Counter()

    def waiting(self) -> list[str]:
        """Groups with jobs that nobody has yet."""
        return [group for group, jobs in self._pending.items() if jobs]

    def start(self) -> None:
        """Start a worker for the waiting group that has the fewest."""
        busy = Counter(group for group, _ in self.active.values())
        group = min(self.waiting(), key=lambda group: busy[group])
        worker = self._start(group)
        self.active[worker] = group, None
        self.give(worker)

    def give(self, worker: PoolWorker) -> None:
        """Give a worker its next job, or part with it when there is none."""
        group, _ = self.active[worker]
        jobs = self._pending[group]
        if jobs:
            try:
                worker.give(jobs[0])
            except LostError:  # since its last answer
                pass
            else:
                self.active[worker] = group, jobs.popleft()
                return
        self.active.pop(worker)
        worker.part()

    def bury(self, worker: PoolWorker, lost: LostError) -> Died | None:
        """What became of the job of a worker that has died; None if it is to be tried again."""
        group, job = self.active.pop(worker)
        worker.part()
        self._deaths[group, job] += not lost.with_machine
        if self._deaths[group, job] < _TRIES:
            self._pending[group].appendleft(job)
            return None
        self._given_up[group] += 1
        if group not in self.answered and self._given_up[group] >= _TRIES:
            raise WorkerError(
                f"processes for {group} end before they have done anything ({lost}); what they wrote to the terminal "
                "says why"
            )
        return Died(str(lost))
