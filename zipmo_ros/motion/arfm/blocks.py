"""What fusion and head are made of: attention and gated MLPs with biases (the project's own layers have none)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.config import HEAD_WIDTH
from zipmo_ros.motion.layers import attend
from zipmo_ros.motion.rope import Rotation

ROPE_BASE = 1e4


class BiasedAttention(nn.Module):
    """Softmax attention of scaled products, no norm and no residual of its own."""

    def __init__(self, width: int):
        super().__init__()
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def heads(self, x: Tensor) -> Tensor:
        """[B, L, D] -> queries, keys and values [3, B, heads, L, 64]."""
        return rearrange(self.qkv_proj(x), "b l (parts heads d) -> parts b heads l d", parts=3, d=HEAD_WIDTH)

    def merge(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """[B, heads, L, 64] each -> [B, L, D]. mask True: may be looked at."""
        attended = attend(q * HEAD_WIDTH**-0.5, k, v, mask)
        return self.out_proj(rearrange(attended, "b heads l d -> b l (heads d)"))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.heads(x)
        return self.merge(q, k, v, mask)


class GatedMlp(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up_proj = nn.Linear(width, 2 * hidden)
        self.down_proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.up_proj(x).chunk(2, dim=-1)
        return self.down_proj(value * F.silu(gate))


def turns(start: int, count: int, device: torch.device) -> Rotation:
    """Rotary angles of the positions start, start + 1, ...: fixed frequencies, all 64 dimensions of a head."""
    half = HEAD_WIDTH // 2
    frequencies = ROPE_BASE ** (-torch.arange(half, device=device) / half)
    angles = torch.arange(start, start + count, device=device)[:, None] * frequencies
    return Rotation(angles.cos()[None, None], angles.sin()[None, None])
