"""When a process that died may be started again."""

from __future__ import annotations

import time
from collections.abc import Callable


class Respawn:
    """The wait before each new start of one process: it doubles with every early death, from `first` to `most` seconds.

    A life of `healthy` seconds forgets what was before. clock: () -> seconds, steady.
    """

    def __init__(self, first: float = 1.0, most: float = 30.0, healthy: float = 60.0,
                 clock: Callable[[], float] = time.monotonic):  # fmt: skip
        self._first, self._most, self._healthy, self._clock = first, most, healthy, clock
        self._started = clock()
        self._died: float | None = None
        self.wait = 0.0  # s, of the death last seen

    def due(self) -> bool:
        """Whether the process, which is seen to be dead, is to be started now; True begins its next life."""
        now = self._clock()
        if self._died is None:
            self._died = now
            early = self.wait > 0 and now - self._started < self._healthy
            self.wait = min(2 * self.wait, self._most) if early else self._first
        if now - self._died < self.wait:
            return False
        self._started, self._died = now, None
        return True
