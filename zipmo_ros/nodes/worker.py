"""One thread for what takes long: inference, or everything that an environment does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Job = Callable[[], None]


class Worker:
    """Runs jobs one at a time in one thread, the same for all of them.

    The mailbox holds a single job: a new one replaces one that has not begun (latest wins), so that slow inference
    never works off a queue of the past. What nobody waits for has a mailbox beside it, which is looked into when the
    first is empty: there a job waits for its turn, and only its like replaces it.
    """

    def __init__(self, name: str):
        self._changed = threading.Condition()
        self._job: Job | None = None
        self._idle_job: Job | None = None
        self._closing = False
        # A daemon: native code that doesn't return must not keep the process alive (see ManagedNode.close).
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, job: Job) -> bool:
        """Run `job` next; returns whether it replaced one that had not begun. The job handles its own exceptions."""
        with self._changed:
            replaced, self._job = self._job is not None, job
            self._changed.notify()
        return replaced

    def post_idle(self, job: Job) -> bool:
        """As `post`, for a job that comes after all others."""
        with self._changed:
            replaced, self._idle_job = self._idle_job is not None, job
            self._changed.notify()
        return replaced

    def call(self, function: Callable[[], Any], keep_waiting: Callable[[], bool] = lambda: True) -> Any:
        """Run `function` in the thread and return its result, or raise its exception here.

        Raises InterruptedError once `keep_waiting` says no; the function then goes on unheard.
        """
        done = threading.Event()
        outcome: dict[str, Any] = {}

        def job() -> None:
            try:
                outcome["result"] = function()
            except BaseException as error:
                outcome["error"] = error
            done.set()

        self.post(job)
        while not done.wait(0.1):
            if not keep_waiting():
                raise InterruptedError("stopped while waiting")
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]

    def close(self, last: Job, timeout: float) -> bool:
        """Run `last` in the thread and end it; returns whether it ended in time. Waiting jobs are dropped."""
        with self._changed:
            self._job, self._idle_job, self._closing = last, None, True
            self._changed.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._job or self._idle_job)
                closing = self._closing
                job, self._job = self._job, None
                if job is None:
                    job, self._idle_job = self._idle_job, None
                assert job is not None  # that was waited for
            job()
            if closing:
                return
