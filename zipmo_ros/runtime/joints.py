"""Proprioception from one publisher of joint states or several, as an arm's and its gripper's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class JointReading(NamedTuple):
    """stamp_ns: of the first joint. positions: float32 [n]. skew_ns: most that a position is off the stamp."""

    stamp_ns: int
    positions: np.ndarray
    skew_ns: int


class JointStates:
    """Merges joint states by joint name.

    names: those wanted, in order. The first one sets the pace: what comes with it is a moment, once all others have a
    position that is at most skew_ns from its stamp. Joints that nobody wants are ignored.
    """

    def __init__(self, names: Sequence[str], skew_ns: int):
        self._names = tuple(names)
        self._skew_ns = skew_ns
        self._known: dict[str, tuple[int, float]] = {}  # newest stamp and position of each joint
        self._strangers: dict[str, None] = {}
        self._given_ns: int | None = None

    def reset(self) -> None:
        """Forget all."""
        self._known.clear()
        self._strangers.clear()
        self._given_ns = None

    def add(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> JointReading | None:
        """Take one message; the moment that is whole by it, again where its first joint is sent again.

        Raises ValueError for other than one finite position for each name; nothing of such a message is kept.
        """
        if len(names) != len(positions):
            raise ValueError(f"{len(names)} joint names with {len(positions)} positions")
        given = dict(zip(names, positions, strict=True))
        wanted = {name: float(given[name]) for name in self._names if name in given}
        if wrong := [name for name, position in wanted.items() if not np.isfinite(position)]:
            raise ValueError(f"positions are not finite: {', '.join(f'{name} at {wanted[name]}' for name in wrong)}")
        self._known |= {name: (stamp_ns, position) for name, position in wanted.items()}
        self._strangers |= dict.fromkeys(name for name in names if name not in wanted)
        leading_ns, _ = self._known.get(self._names[0], (None, 0.0))
        fresh = self._names[0] in wanted or leading_ns != self._given_ns
        if not wanted or not fresh or leading_ns is None or self.missing:
            return None
        self._given_ns = leading_ns
        known = [self._known[name] for name in self._names]
        skew_ns = max(abs(at - leading_ns) for at, _ in known)
        return JointReading(leading_ns, np.array([position for _, position in known], np.float32), skew_ns)

    @property
    def missing(self) -> tuple[str, ...]:
        """Joints that were not heard at all, or are too far from the first one's stamp."""
        leading_ns = self._known.get(self._names[0], (None,))[0]
        if leading_ns is None:
            return tuple(name for name in self._names if name not in self._known)
        return tuple(
            name
            for name in self._names
            if name not in self._known or abs(self._known[name][0] - leading_ns) > self._skew_ns
        )

    def problem(self) -> str | None:
        """Which joints are missing, and what there is instead; None if none is."""
        missing = self.missing
        if not missing:
            return None
        never = [name for name in missing if name not in self._known]
        if never:
            heard = ", ".join([*self._known, *self._strangers]) or "none"
            return f"joints {', '.join(never)} are missing; heard are {heard}"
        leading_ns = self._known[self._names[0]][0]
        apart = max(abs(self._known[name][0] - leading_ns) for name in missing) / 1e9
        return (
            f"joints {', '.join(missing)} are up to {apart:.3f} s from {self._names[0]} "
            f"(at most {self._skew_ns / 1e9:.3f} s)"
        )
