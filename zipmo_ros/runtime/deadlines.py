"""Work that is to be done within a time: how often it was not."""

from __future__ import annotations

import time
from collections.abc import Callable

RECENT = 5.0  # s that a miss counts as recent


class Deadlines:
    """Counts misses. clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._missed_at: float | None = None
        self.misses = 0
        self.worst = 0.0  # s, of the recent misses

    def add(self, seconds: float, budget: float) -> None:
        """Something took so long, and had so long."""
        if seconds <= budget:
            return
        self.worst = max(seconds, self.worst if self.recent else 0.0)
        self.misses, self._missed_at = self.misses + 1, self._clock()

    @property
    def recent(self) -> bool:
        """Whether one was missed a short while ago."""
        return self._missed_at is not None and self._clock() - self._missed_at < RECENT
