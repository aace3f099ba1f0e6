"""What belongs to one moment, from several sources: paired by stamp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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
