"""Temporal ensembling: one action out of all chunks that cover a step."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Mode = Literal["intended", "official"]


class TemporalEnsemble:
    """Exponentially weighted mean, float64; a chunk that is `age` steps old weighs decay^age, newer ones weigh more.

    mode "intended": each chunk gives the action that it meant for this very step, entry `age`.
    mode "official": entries as the reference picks them. It keeps at most 16 chunks, one a step, and takes entry (-i)
    mod 16 of chunk i counted from the oldest. In steady state that is the action for the *next* step, except that the
    oldest chunk gives its first entry; in the first 15 steps entries lie up to 15 steps ahead. Published success rates
    were presumably obtained so.

    Chunks may come at any steps (every n, or late): what counts is their age.
    """

    def __init__(self, mode: Mode = "intended", decay: float = 0.99):
        if mode not in get_args(Mode):
            raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}, got '{mode}'")
        if not 0 < decay <= 1:
            raise ValueError(f"decay must lie in (0, 1], got {decay}")
        self.mode = mode
        self.decay = decay
        self._chunks: dict[int, np.ndarray] = {}

    def reset(self) -> None:
        """Forget all chunks."""
        self._chunks.clear()

    def add(self, step: int, chunk: np.ndarray) -> None:
        """Chunk [length, ...] whose first action is meant for `step`; a second one for the same step replaces the
        first.

        Raises ValueError if it is empty or not finite.
        """
        chunk = np.array(chunk, dtype=np.float64)
        if chunk.ndim < 1 or len(chunk) == 0:
            raise ValueError(f"a chunk must be [length, ...] with at least one action, got shape {chunk.shape}")
        if not np.isfinite(chunk).all():
            raise ValueError(f"the chunk for step {step} is not finite")
        self._chunks[step] = chunk
        self._chunks = {start: held for start, held in self._chunks.items() if step - start < len(held)}

    def action(self, step: int) -> np.ndarray:
        """Blend of the chunks that cover `step`, float64. Raises LookupError if none does."""
        covering = {step - start: chunk for start, chunk in self._chunks.items() if 0 <= step - start < len(chunk)}
        if not covering:
            raise LookupError(f"no chunk covers step {step}")
        oldest = max(covering)
        weights = np.array([self.decay**age for age in covering])
        entries = np.stack([chunk[self._entry(age, oldest, len(chunk))] for age, chunk in covering.items()])
        return np.tensordot(weights / weights.sum(), entries, axes=1)

    def _entry(self, age: int, oldest: int, length: int) -> int:
        return age if self.mode == "intended" else (age - oldest) % length


class NewestChunk:
    """No blend: the action that the newest chunk meant for the step, as in naive asynchronous execution."""

    def __init__(self) -> None:
        self._blend = TemporalEnsemble()

    def reset(self) -> None:
        """Forget the chunk."""
        self._blend.reset()

    def add(self, step: int, chunk: np.ndarray) -> None:
        """As TemporalEnsemble.add; the chunk held before is forgotten."""
        self._blend.reset()
        self._blend.add(step, chunk)

    def action(self, step: int) -> np.ndarray:
        """The chunk's action for `step`, float64. Raises LookupError if it has none."""
        return self._blend.action(step)
