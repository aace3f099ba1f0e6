"""Says when an input has gone stale. It keeps a steady clock, so it also fires when simulated time stops."""

from __future__ import annotations

import time
from collections.abc import Callable


class Watchdog:
    """Watches one input. clock: seconds that never go back."""

    def __init__(self, name: str, timeout: float, clock: Callable[[], float] = time.monotonic):
        self.name = name
        self.timeout = timeout
        self._clock = clock
        self._fed: float | None = None

    def feed(self) -> None:
        """The input was heard just now."""
        self._fed = self._clock()

    def reset(self) -> None:
        """As if never heard."""
        self._fed = None

    @property
    def silence(self) -> float | None:
        """Seconds since the input was heard; None when it never was."""
        return None if self._fed is None else self._clock() - self._fed

    def problem(self) -> str | None:
        """Why the input is stale, or None while it is fresh."""
        silence = self.silence
        if silence is None:
            return f"nothing heard on {self.name} yet"
        if silence > self.timeout:
            return f"nothing heard on {self.name} for {silence:.2f} s (limit {self.timeout:.2f} s)"
        return None
