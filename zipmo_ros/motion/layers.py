"""Pre-norm transformer blocks: RMS norms, cosine attention with RoPE, SwiGLU (as in the reference).

Symbols: B batch, L tokens, S context tokens, D width, heads = D / 64. What does not depend on the tokens is prepared
apart and passed in, so that a sampler computes it once: `rope` (rotations of the positions), `context` (keys and
values), `gains` (norm factors).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.config import HEAD_WIDTH
from zipmo_ros.motion.rope import Rotation, make_rope, rotate

EPS = 1e-6


def rms_normalise(x: Tensor, gain: Tensor) -> Tensor:
    """x * gain / rms(x); the statistic is taken in at least float32."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    factor = gain * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
    return x * factor.to(x.dtype)


class RMSNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def gain(self, _cond: Tensor | None = None) -> Tensor:
        return self.scale

    def forward(self, x: Tensor) -> Tensor:
        return rms_normalise(x, self.scale)


class AdaRMSNorm(nn.Module):
    """RMS norm whose gain is 1 + W cond: scale only, no shift, no gate."""

    def __init__(self, width: int, cond_width: int):
        super().__init__()
        self.linear = nn.Linear(cond_width, width, bias=False)
        nn.init.zeros_(self.linear.weight)

    def gain(self, cond: Tensor) -> Tensor:
        """cond [B, cond_width] -> [B, 1, D]."""
        return 1 + self.linear(cond).unsqueeze(-2)


def make_norm(width: int, cond_width: int | None) -> nn.Module:
    return RMSNorm(width) if cond_width is None else AdaRMSNorm(width, cond_width)


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


def cosine(x: Tensor, scale: Tensor) -> Tensor:
    """Unit vectors times sqrt(scale): the product of two of them is scale * cos. x [B, heads, L, 64], scale [heads]."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    factor = scale.sqrt()[:, None, None] * torch.rsqrt(wide.square().sum(dim=-1, keepdim=True) + EPS)
    return x * factor.to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention with scale 1: q [B, heads, L, 64], k and v [B, heads, S, 64]. `mask` True: may be looked at."""
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.requires_grad:
        # Training under autocast: the fused kernel's backward pass is several times slower than this on a CPU.
        logits = q @ k.transpose(-1, -2)
        weights = (logits if mask is None else logits.masked_fill(~mask, -torch.inf)).softmax(dim=-1)
        return weights.to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)


def _split_heads(x: Tensor, parts: int) -> Tensor:
    return rearrange(x, "b l (parts heads d) -> parts b heads l d", parts=parts, d=HEAD_WIDTH)


def _merge_heads(x: Tensor) -> Tensor:
    return rearrange(x, "b heads l d -> b l (heads d)")


def _head_scale(width: int) -> nn.Parameter:
    return nn.Parameter(torch.full((width // HEAD_WIDTH,), 10.0))


class SelfAttention(nn.Module):
    def __init__(self, width: int, rope: str | None, cond_width: int | None = None):
        super().__init__()
        self.norm = make_norm(width, cond_width)
        self.scale = _head_scale(width)
        self.qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.pos_emb = make_rope(rope, width // HEAD_WIDTH)
        self.out_proj = zero_linear(width, width)

    def forward(self, x: Tensor, rotation: Rotation | None, gain: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = _split_heads(self.qkv_proj(rms_normalise(x, gain)), 3)
        q, k = cosine(q, self.scale), cosine(k, self.scale)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        attended = attend(q, k, v, mask)
        return x + self.out_proj(_merge_heads(attended))


class KeyValue(NamedTuple):
    """Keys and values of a context, [B, heads, S, 64] each. mask [B, 1, 1, S] True: may be looked at; None: all."""

    key: Tensor
    value: Tensor
    mask: Tensor | None = None


class CrossAttention(nn.Module):
    def __init__(self, width: int, context_width: int, rope: str | None, cond_width: int | None = None):
        super().__init__()
        self.norm = make_norm(width, cond_width)
        self.norm_cross = RMSNorm(context_width)
        self.scale = _head_scale(width)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.kv_proj = nn.Linear(context_width, 2 * width, bias=False)
        self.pos_emb = make_rope(rope, width // HEAD_WIDTH)
        self.out_proj = zero_linear(width, width)

    def context(self, tokens: Tensor, positions: Tensor | None, mask: Tensor | None = None) -> KeyValue:
        key, value = _split_heads(self.kv_proj(self.norm_cross(tokens)), 2)
        key = cosine(key, self.scale)
        key = key if self.pos_emb is None else rotate(key, self.pos_emb(positions))
        return KeyValue(key, value, None if mask is None else mask[:, None, None])

    def forward(self, x: Tensor, context: KeyValue, rotation: Rotation | None, gain: Tensor) -> Tensor:
        """The batch of x may be a multiple of the context's: consecutive samples then share one context."""
        if context.key.shape[-2] == 1:  # softmax over one key is 1, whatever the query
            update = self.out_proj(_merge_heads(context.value))
            return x + (update if len(update) == len(x) else update.repeat_interleave(len(x) // len(update), dim=0))
        (q,) = _split_heads(self.q_proj(rms_normalise(x, gain)), 1)
        q = cosine(q, self.scale)
        if rotation is not None:
            q = rotate(q, rotation)
        # Queries do not see each other, so samples that share a context can be one long sample.
        draws = len(x) // len(context.key)
        q = rearrange(q, "(b draws) heads l d -> b heads (draws l) d", draws=draws)
        attended = attend(q, *context)
        attended = rearrange(attended, "b heads (draws l) d -> (b draws) l (heads d)", draws=draws)
        return x + self.out_proj(attended)


class FeedForward(nn.Module):
    """x + Down(value * silu(gate)); the first half of `up_proj` is the value."""

    def __init__(self, width: int, hidden: int, cond_width: int | None = None):
        super().__init__()
        self.norm = make_norm(width, cond_width)
        self.up_proj = nn.Linear(width, 2 * hidden, bias=False)
        self.down_proj = zero_linear(hidden, width)

    def forward(self, x: Tensor, gain: Tensor | None = None) -> Tensor:
        gain = self.norm.gain() if gain is None else gain
        value, gate = self.up_proj(rms_normalise(x, gain)).chunk(2, dim=-1)
        return x + self.down_proj(value * F.silu(gate))


class LayerRope(NamedTuple):
    self_attn: Rotation | None
    cross_attn: Rotation | None


class LayerGains(NamedTuple):
    self_attn: Tensor | None
    cross_attn: Tensor | None
    ff: Tensor


class TransformerLayer(nn.Module):
    """Self-attention (unless `self_attention=False`), cross-attention (if `context_width`), feed-forward."""

    def __init__(
        self,
        width: int,
        *,
        rope: str | None,
        ff_ratio: int = 3,
        context_width: int | None = None,
        cross_rope: str | None = None,
        cond_width: int | None = None,
        self_attention: bool = True,
    ):
        super().__init__()
        self.self_attn = SelfAttention(width, rope, cond_width) if self_attention else None
        self.cross_attn = CrossAttention(width, context_width, cross_rope, cond_width) if context_width else None
        self.ff = FeedForward(width, ff_ratio * width, cond_width)

    def rope(self, positions: Tensor | None) -> LayerRope:
        blocks = (self.self_attn, self.cross_attn)
        return LayerRope(*(b.pos_emb(positions) if b is not None and b.pos_emb is not None else None for b in blocks))

    def gains(self, cond: Tensor | None) -> LayerGains:
        return LayerGains(
            *(b.norm.gain(cond) if b is not None else None for b in (self.self_attn, self.cross_attn, self.ff))
        )

    def forward(
        self, x: Tensor, rope: LayerRope, context: KeyValue | None, gains: LayerGains, mask: Tensor | None = None
    ) -> Tensor:
        if self.self_attn is not None:
            x = self.self_attn(x, rope.self_attn, gains.self_attn, mask)
        if self.cross_attn is not None:
            x = self.cross_attn(x, context, rope.cross_attn, gains.cross_attn)
        return self.ff(x, gains.ff)


class Transformer(nn.ModuleList):
    """A stack of layers; no norm after it. Arguments are those of `TransformerLayer`."""

    def __init__(self, width: int, depth: int, **layer):
        super().__init__(TransformerLayer(width, **layer) for _ in range(depth))

    def rope(self, positions: Tensor | None) -> list[LayerRope]:
        return [layer.rope(positions) for layer in self]

    def context(self, tokens: Tensor, positions: Tensor | None, mask: Tensor | None = None) -> list[KeyValue]:
        """`mask` [B, S] True: may be looked at."""
        return [layer.cross_attn.context(tokens, positions, mask) for layer in self]

    def gains(self, cond: Tensor | None = None) -> list[LayerGains]:
        return [layer.gains(cond) for layer in self]

    def forward(
        self,
        x: Tensor,
        rope: list[LayerRope],
        context: list[KeyValue] | None = None,
        gains: list[LayerGains] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """x [B, L, D] -> [B, L, D]. `mask` (True: may be looked at) broadcasts to [B, heads, L, L]."""
        gains = self.gains() if gains is None else gains
        for i, layer in enumerate(self):
            x = layer(x, rope[i], context[i] if context else None, gains[i], mask)
        return x
