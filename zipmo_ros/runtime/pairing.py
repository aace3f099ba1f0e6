"""What belongs to one moment, from several sources: paired by stamp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Pairing:
    """Keeps the newest values of several sources by their stamps, and says when all have one of the same stamp.

    depth: values kept of each source, so that sources may run ahead of one another by so many.
    """

    def __init__(self, sources: Sequence[str], depth: int = 1):
        self._depth = depth
        self._held: dict[str, dict[int, Any]] = {source: {} for source in sources}

    def reset(self) -> None:
        """Forget all."""
        for held in self._held.values():
            held.clear()

    def add(self, source: str, stamp_ns: int, value: Any) -> dict[str, Any] | None:
        """Take a value; {source: value} of its stamp if all sources have one, in the sources' order, else None."""
        held = self._held[source]
        held.pop(stamp_ns, None)
        held[stamp_ns] = value
        while len(held) > self._depth:
            del held[next(iter(held))]
        return self.at(stamp_ns)

    def at(self, stamp_ns: int) -> dict[str, Any] | None:
        """What all sources hold of a stamp, or None where one of them has nothing."""
        if any(stamp_ns not in held for held in self._held.values()):
            return None
        return {source: held[stamp_ns] for source, held in self._held.items()}


class PairedValues(NamedTuple):
    """stamp_ns: of the source that came last. values: in the sources' order. skew_ns: most that one of them is off."""

    stamp_ns: int
    values: dict[str, Any]
    skew_ns: int


class ApproximatePairing:
    """Pairs sources that have rates and phases of their own: what the slowest gives with the nearest of the others.

    A moment is that of the source whose newest stamp is the oldest. All others have something newer or equal by then,
    so that which of theirs is nearest is settled, and sources that share their stamps are paired exactly. A moment is
    whole if nothing in it is further than skew_ns from its stamp, and is given when what came belongs to it, thus again
    when somebody sends the same again. Of two that are as near the newer one is taken: with the older one, sources that
    are half a period apart would never make a moment whole.

    depth: values kept of each source, which bounds how far one may run ahead of another. A stamp that goes back begins
    another time line, of which nothing older is part.
    """

    def __init__(self, sources: Sequence[str], skew_ns: int, depth: int = 32):
        self.skew_ns = skew_ns
        self._depth = depth
        self._held: dict[str, dict[int, Any]] = {source: {} for source in sources}
        self.apart_ns: int | None = None  # how far the nearest were apart when last looked for

    def reset(self) -> None:
        """Forget all."""
        for held in self._held.values():
            held.clear()
        self.apart_ns = None

    def add(self, source: str, stamp_ns: int, value: Any) -> PairedValues | None:
        """Take a value; the moment that it makes whole, if it does."""
        held = self._held[source]
        if held and stamp_ns < next(reversed(held)):
            self.reset()
        held.pop(stamp_ns, None)
        held[stamp_ns] = value
        while len(held) > self._depth:
            del held[next(iter(held))]
        if not all(self._held.values()):
            return None
        moment_ns = min(next(reversed(stamps)) for stamps in self._held.values())
        stamps = {name: min(there, key=lambda at: (abs(at - moment_ns), -at)) for name, there in self._held.items()}
        self.apart_ns = max(abs(at - moment_ns) for at in stamps.values())
        if stamps[source] != stamp_ns or self.apart_ns > self.skew_ns:
            return None
        values = {name: self._held[name][at] for name, at in stamps.items()}
        return PairedValues(moment_ns, values, self.apart_ns)
