"""Says when an input is not to be trusted: silent, frozen, of the past or of the future."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

import numpy as np

OFFSETS = 50  # messages that the offset of a clock is the median of
TOLERANCE = 0.1  # s that a stamp may lie ahead: clocks that are kept together by NTP differ by less


class Freshness:
    """Watches one input by a steady clock of what is new, and by its stamps.

    name: of the input, in texts. timeout: s without anything new until it is stale. cause: what that is called
    (causes.py). clock: seconds that never go back. now_ns: the clock that stamps are of; without one they can't be of
    the future, nor too old. max_age: s that the newest stamp may lie back; None: any time. tolerance: s that it may lie
    ahead.
    """

    def __init__(
        self,
        name: str,
        timeout: float,
        cause: str = "stale observation",
        clock: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] | None = None,
        max_age: float | None = None,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.name, self.timeout, self.cause = name, timeout, cause
        self.max_age, self.tolerance = max_age, tolerance
        self._clock, self._now_ns = clock, now_ns
        self.reset()

    def reset(self) -> None:
        """As if never heard."""
        self._stamp_ns: int | None = None
        self._heard = self._fresh = 0.0  # when anything came, and when something new did
        self._content: np.ndarray | bytes | None = None
        self._frozen = 0.0  # s that the same content has come for, while there was motion
        self._wrong: tuple[str, str] | None = None  # with the last stamp
        self._offsets: deque[float] = deque(maxlen=OFFSETS)

    def feed(self, stamp_ns: int, content: np.ndarray | bytes | None = None, moving: bool = False) -> bool:
        """It was heard just now. Whether that was new, and to be used: with a later stamp that has come, and content
        that differs, or may be the same because nothing moves. content: kept, not copied; None: not compared.
        """
        now = self._clock()
        elapsed, self._heard = now - self._heard, now
        if stamp_ns == self._stamp_ns:
            return False
        self._wrong = self._wrong_stamp(stamp_ns)
        if self._wrong is not None and self._wrong[0] == "future stamp":
            return False  # not even to be compared with: those after it are not of the past
        self._stamp_ns = stamp_ns
        same, self._content = content is not None and _same(content, self._content), content
        self._frozen = self._frozen + elapsed * moving if same else 0.0
        new = self._wrong is None and not (same and (moving or self._frozen > self.timeout))
        if new:
            self._fresh = now
        return new

    def _wrong_stamp(self, stamp_ns: int) -> tuple[str, str] | None:
        if self._now_ns is not None:
            offset = (stamp_ns - self._now_ns()) / 1e9
            self._offsets.append(offset)
            if offset > self.tolerance:
                text = f"stamps of {self.name} are {offset:.3f} s ahead of the clock here"
                return "future stamp", f"{text} (at most {self.tolerance:.3f} s)"
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            return "backward stamp", f"stamps of {self.name} went back by {(self._stamp_ns - stamp_ns) / 1e9:.3f} s"
        return None

    @property
    def silence(self) -> float | None:
        """Seconds since something new was heard; None when nothing ever was."""
        return None if self._stamp_ns is None else self._clock() - self._fresh

    @property
    def age(self) -> float | None:
        """Seconds that the newest stamp lies back on the clock that stamps are of; None where that is not known."""
        if self._stamp_ns is None or self._now_ns is None:
            return None
        return (self._now_ns() - self._stamp_ns) / 1e9

    @property
    def offset(self) -> float | None:
        """Seconds that stamps are ahead of the clock here when they arrive (behind it: negative); the median."""
        return statistics.median(self._offsets) if self._offsets else None

    def problem(self) -> tuple[str, str] | None:
        """(cause, text) of what is wrong with the input now; None while it is fresh."""
        if self._wrong is not None:
            return self._wrong
        silence, age = self.silence, self.age
        if silence is None:
            return self.cause, f"nothing heard on {self.name} yet"
        limit = f"(limit {self.timeout:.2f} s)"
        if self._frozen > self.timeout:
            text = f"{self.name} has shown the same for {self._frozen:.2f} s while the arm moved {limit}"
            return "frozen content", text
        if silence > self.timeout:
            keeps = self._heard - self._fresh > self.timeout / 2
            what = (
                f"nothing new on {self.name}, whose stamp stands still," if keeps else f"nothing heard on {self.name}"
            )
            return self.cause, f"{what} for {silence:.2f} s {limit}"
        if self.max_age is not None and age is not None and age > self.max_age:
            return self.cause, f"the newest of {self.name} is {age:.2f} s old (limit {self.max_age:.2f} s)"
        return None


def _same(one: np.ndarray | bytes, other: np.ndarray | bytes | None) -> bool:
    if isinstance(one, bytes) or isinstance(other, bytes):
        return one is other or (isinstance(one, bytes) and one == other)
    return other is not None and np.array_equal(one, other)
