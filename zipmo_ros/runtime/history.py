"""The past of one input, by stamp."""

from __future__ import annotations

from bisect import bisect_left
from typing import Generic, TypeVar

from zipmo_ros.contract.stamps import goes_on

T = TypeVar("T")


class History(Generic[T]):
    """Keeps what came within the last `span_ns` before the newest value, however fast it comes."""

    def __init__(self, span_ns: int):
        self._span_ns = span_ns
        self._stamps: list[int] = []
        self._values: list[T] = []

    def clear(self) -> None:
        """Forget all."""
        self._stamps.clear()
        self._values.clear()

    def add(self, stamp_ns: int, value: T) -> None:
        """Take the newest value; one of the same stamp is replaced. Raises ValueError for an older one."""
        newest = self.newest_ns
        if newest is not None and stamp_ns < newest:
            raise ValueError(f"a value of {stamp_ns} ns after one of {newest} ns; clear() when time restarts")
        if stamp_ns == newest:
            self._values[-1] = value
            return
        self._stamps.append(stamp_ns)
        self._values.append(value)
        expired = bisect_left(self._stamps, stamp_ns - self._span_ns)
        del self._stamps[:expired], self._values[:expired]

    def add_or_restart(self, stamp_ns: int, value: T) -> None:
        """As `add`, but where time has gone back or leapt all is forgotten before."""
        if not goes_on(self.newest_ns, stamp_ns):
            self.clear()
        self.add(stamp_ns, value)

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest value."""
        return self._stamps[-1] if self._stamps else None

    @property
    def newest(self) -> T | None:
        return self._values[-1] if self._values else None

    def at(self, stamp_ns: int) -> T | None:
        """The value of exactly this stamp."""
        return self.nearest(stamp_ns, 0)

    def nearest(self, stamp_ns: int, within_ns: int | None = None) -> T | None:
        """The value whose stamp is nearest, the earlier of two; None where none lies within `within_ns`."""
        right = bisect_left(self._stamps, stamp_ns)
        near = [i for i in (right - 1, right) if 0 <= i < len(self._stamps)]
        if not near:
            return None
        best = min(near, key=lambda i: abs(self._stamps[i] - stamp_ns))
        if within_ns is not None and abs(self._stamps[best] - stamp_ns) > within_ns:
            return None
        return self._values[best]
