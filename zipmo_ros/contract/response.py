"""How an arm follows the goal of its hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Response:
    """A hand whose goal is kept an offset o ahead of it, told anew every control step, moves at gain * o (gain: 1/s),
    and lag_s seconds behind one that would at once.
    """

    gain: float
    lag_s: float

    def __post_init__(self) -> None:
        if not self.gain > 0 or not self.lag_s >= 0:
            raise ValueError(f"the gain of a response must be positive and its lag not negative, got {self}")

    def step(self, moving: np.ndarray, offset: np.ndarray, seconds: float) -> np.ndarray:
        """The offset [6] that a hand moves by in the next control step of so many seconds, when in the last one it
        moved by `moving` [6] and its goal is now kept `offset` [6] ahead of it.
        """
        kept = float(np.exp(-seconds / self.lag_s)) if self.lag_s else 0.0
        return kept * moving + (1 - kept) * self.gain * seconds * offset

    def share(self, seconds: float) -> float:
        """Of the way to a goal that stays, how much a hand in motion has gone after so long."""
        return float(-np.expm1(-self.gain * max(0.0, seconds)))
