"""Injected latency: how much later a plan can be used than the observation that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Delay:
    """In virtual time: the simulated clock goes on while the plan is under way, whatever computing it really takes.

    milliseconds: the mean. jitter: each plan's delay is drawn uniformly from the mean times 1 - jitter to 1 + jitter,
    by the seed and the observation's stamp, so that a repeated episode repeats its delays.
    Raises ValueError for a negative mean or a jitter outside [0, 1].
    """

    milliseconds: float = 0.0
    jitter: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.milliseconds < float("inf") or not 0 <= self.jitter <= 1:
            raise ValueError(
                f"latency is at least 0 ms and jitter in [0, 1], got {self.milliseconds} and {self.jitter}"
            )

    def of(self, stamp_ns: int) -> int:
        """Nanoseconds that the plan of the observation at `stamp_ns` takes."""
        share = np.random.default_rng([self.seed, stamp_ns]).uniform(-self.jitter, self.jitter)
        return round(1e6 * self.milliseconds * (1 + share))


NO_DELAY = Delay()
