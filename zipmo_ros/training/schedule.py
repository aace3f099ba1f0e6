"""Running the jobs of a recipe as processes, side by side where they do not need each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from zipmo_ros.training.recipe import Job

PERIOD = 0.5  # s between two looks at the processes


class Process(Protocol):
    """What subprocess.Popen offers."""

    def poll(self) -> int | None: ...

    def send_signal(self, number: int, /) -> None: ...

    def wait(self) -> int: ...


def run_all(
    jobs: Sequence[Job],
    workers: int,
    start: Callable[[Job], Process],
    ended: Callable[[Job], None],
    watch: Callable[[list[Job]], None],
    interrupt: int,
) -> tuple[Job, int] | None:
    """Start jobs in their order, at most `workers` at a time, once those of them that they need are over; one that
    spreads runs alone.

    ended: called for each that ended well. watch: called regularly with those that run. interrupt: signal that ends a
    process early. Returns the first job that failed and its status, None when all are done; jobs that run beside one
    that fails, or when an exception comes, are interrupted and waited for.
    """
    waiting: list[Job] = list(jobs)
    running: dict[Job, Process] = {}
    try:
        while waiting or running:
            left = {*waiting, *running}
            for job in [job for job in waiting if left.isdisjoint(job.needs)]:
                if len(running) >= (1 if job.spreads else workers) or any(other.spreads for other in running):
                    break  # nothing overtakes it: what spreads would wait for all the others
                waiting.remove(job)
                running[job] = start(job)
            watch(list(running))
            time.sleep(PERIOD)
            for job, process in [*running.items()]:
                status = process.poll()
                if status is None:
                    continue
                del running[job]
                if status:
                    return job, status
                ended(job)
    finally:
        for process in running.values():
            process.send_signal(interrupt)
        for process in running.values():
            process.wait()
    return None
