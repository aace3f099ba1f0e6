"""The flow head: denoises where the points go in one step, from what the fusion says of that step alone."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.arfm.blocks import BiasedAttention, GatedMlp
from zipmo_ros.motion.arfm.config import ArfmConfig

LONGEST_PERIOD = 1e4


def normalised(x: Tensor, shift: Tensor, gain: Tensor) -> Tensor:
    """Layer norm without weights of its own, then moved and scaled by the conditioning."""
    return F.layer_norm(x, x.shape[-1:]) * (1 + gain) + shift


class Modulation(nn.Module):
    """Conditioning [B, D] -> `parts` vectors [B, 1, D], at first all zero (adaLN-zero, Peebles and Xie 2023)."""

    def __init__(self, width: int, parts: int):
        super().__init__()
        self.parts, self.linear = parts, nn.Linear(width, parts * width)

    def forward(self, cond: Tensor) -> tuple[Tensor, ...]:
        return self.linear(F.silu(cond))[:, None].chunk(self.parts, dim=-1)


class FlowHeadLayer(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.modulation = Modulation(width, 6)
        self.attention, self.mlp = BiasedAttention(width), GatedMlp(width, hidden)

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor | None) -> Tensor:
        shift, gain, gate, mlp_shift, mlp_gain, mlp_gate = self.modulation(cond)
        x = x + gate * self.attention(normalised(x, shift, gain), mask)
        return x + mlp_gate * self.mlp(normalised(x, mlp_shift, mlp_gain))


class FlowHead(nn.Module):
    def __init__(self, config: ArfmConfig):
        super().__init__()
        width = config.width
        self.time_width, self.previous_shift = config.time_width, config.previous_shift
        self.in_proj = nn.Linear(width + (4 if config.previous_shift else 2), width)
        self.time_in, self.time_out = nn.Linear(config.time_width, width), nn.Linear(width, width)
        self.layers = nn.ModuleList(FlowHeadLayer(width, config.hidden) for _ in range(config.head_depth))
        self.modulation, self.out_proj = Modulation(width, 2), nn.Linear(width, 2)
        self.initialise()

    def initialise(self) -> None:
        """Nothing comes out at first, and no layer does anything."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in (self.time_in, self.time_out):
            nn.init.normal_(layer.weight, std=0.02)
        silent = [module.linear for module in self.modules() if isinstance(module, Modulation)]
        for layer in (*silent, self.out_proj):
            nn.init.zeros_(layer.weight)

    def forward(
        self, z: Tensor, t: Tensor, features: Tensor, previous: Tensor, text: Tensor, valid: Tensor | None = None
    ) -> Tensor:
        """noise - shift of B sets of points [B, N, 2], in pixels.

        z: noisy shifts [B, N, 2]. t: flow time [B]. features [B, N, D] of the fusion. previous: each point's last shift
        [B, N, 2]. text: conditioning by the sentence [B, D]. valid: bool [B, N]; the other points have no influence.
        """
        x = self.in_proj(torch.cat([z, *([previous] if self.previous_shift else []), features], dim=-1))
        cond = self.time_out(F.silu(self.time_in(time_features(t, self.time_width)))) + text
        mask = None
        if valid is not None:  # a set without a valid point has nobody to look at, and its output means nothing
            mask = rearrange(valid | ~valid.any(dim=-1, keepdim=True), "b n -> b 1 1 n")
        for layer in self.layers:
            x = layer(x, cond, mask)
        return self.out_proj(normalised(x, *self.modulation(cond)))


def time_features(t: Tensor, width: int) -> Tensor:
    """t [B] -> [B, width]: cosines, then sines, of periods up to LONGEST_PERIOD * 2 pi."""
    half = width // 2
    frequencies = torch.exp(-math.log(LONGEST_PERIOD) * torch.arange(half, device=t.device) / half)
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
