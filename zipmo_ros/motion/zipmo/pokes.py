"""Pokes: "the point that starts here shall be there at that time" (as in the reference)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zipmo_ros.motion.fourier import PointEmbedding
from zipmo_ros.motion.zipmo.config import PokeConfig

POKE_THETA = 10 * 3.14  # the reference's constant, not 10 pi


class PokeContext(NamedTuple):
    tokens: Tensor
    positions: Tensor


class PokeEmbedding(PointEmbedding):
    """(y, x, t) of the end -> token."""

    def __init__(self, width: int):
        super().__init__(3, width, POKE_THETA)


def poke_context(embedding: nn.Module, config: PokeConfig, pokes: Tensor | None, batch: int, width: int) -> PokeContext:
    """pokes [B, P, 5] = (y0, x0, y1, x1, t1), t1 = 1 being the last frame -> tokens [B, slots, D] at (0, y0, x0).

    Missing pokes are zero tokens at position zero; they take part in the attention. None means no poke at all, the
    unconditional branch. Raises ValueError on more pokes than slots, or on fewer where the planner was trained without
    padding.
    """
    reference = next(embedding.parameters())
    if pokes is None:
        zeros = reference.new_zeros(batch, config.slots, width)
        return PokeContext(zeros, reference.new_zeros(batch, config.slots, 3))
    count = pokes.shape[1]
    if pokes.shape[-1] != 5:
        raise ValueError(f"a poke is (y0, x0, y1, x1, t1); got {pokes.shape[-1]} numbers")
    if count > config.slots:
        raise ValueError(f"this planner takes at most {config.slots} pokes, got {count}")
    if count < config.slots and not config.pad:
        raise ValueError(f"this planner takes exactly {config.slots} pokes, got {count}")
    missing = (0, 0, 0, config.slots - count)
    return PokeContext(F.pad(embedding(pokes[..., 2:]), missing), F.pad(F.pad(pokes[..., :2], (1, 0)), missing))


def drop_last(context: PokeContext, dropped: Tensor) -> PokeContext:
    """Zero the last `dropped` [B] tokens and positions of each sample."""
    slots = context.tokens.shape[1]
    kept = torch.arange(slots, device=dropped.device)[None, :, None] < (slots - dropped)[:, None, None]
    return PokeContext(context.tokens * kept, context.positions * kept)
