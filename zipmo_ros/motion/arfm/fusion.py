"""Feature fusion: causal attention along time and full attention over the sites, layer by layer in turn.

A sentence's tokens precede a site's steps. They are the same at every site and see nothing but each other, so they are
computed once and each site is given their keys and values: what the paper gets by repeating them at all sites. Steps
come after the longest sentence, however many tokens there are of this one and of those that it is padded for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.arfm.blocks import BiasedAttention, GatedMlp, turns
from zipmo_ros.motion.layers import KeyValue, RMSNorm
from zipmo_ros.motion.rope import rotate


class FusionCache(NamedTuple):
    """layers: keys and values [B * S, heads, M + steps so far, 64] of each layer that attends along time (of a sentence
    alone: [B, heads, M, 64]). counted: bool [B, M], the tokens of the sentence that are there; None: all.
    """

    layers: list[KeyValue]
    counted: Tensor | None

    def at_sites(self, sites: int) -> FusionCache:
        """Of a sentence: for every site."""
        return self._changed(lambda part: repeat(part, "b ... -> (b s) ...", s=sites), self.counted)

    def for_draws(self, draws: int, batch: int) -> FusionCache:
        """`draws` futures of each of `batch` samples, sample-major."""
        counted = None if self.counted is None else repeat(self.counted, "b m -> (b k) m", k=draws)
        return self._changed(lambda part: repeat(part, "(b s) ... -> (b k s) ...", b=batch, k=draws), counted)

    def _changed(self, change: Callable[[Tensor], Tensor], counted: Tensor | None) -> FusionCache:
        return FusionCache([KeyValue(change(layer.key), change(layer.value)) for layer in self.layers], counted)


class FusionLayer(nn.Module):
    """Pre-norm attention and a gated MLP. x [B, S, T, D]."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.norm, self.attention = RMSNorm(width), BiasedAttention(width)
        self.mlp_norm, self.mlp = RMSNorm(width), GatedMlp(width, hidden)


class TimeLayer(FusionLayer):
    """Along time, each site by itself."""

    def forward(self, x: Tensor, past: KeyValue | None, counted: Tensor | None, gap: int) -> tuple[Tensor, KeyValue]:
        """past: keys and values of what comes before; returned with those of x after them. gap: positions between."""
        batch, sites, steps, _ = x.shape
        q, k, v = self.attention.heads(rearrange(self.norm(x), "b s t d -> (b s) t d"))
        before = 0 if past is None else past.key.shape[-2]
        turn = turns(before + gap, steps, x.device)
        q, k = rotate(q, turn), rotate(k, turn)
        if past is not None:
            k, v = torch.cat([past.key, k], dim=-2), torch.cat([past.value, v], dim=-2)
        attended = self.attention.merge(q, k, v, _causal(steps, before, counted, sites, x.device))
        x = x + rearrange(attended, "(b s) t d -> b s t d", b=batch)
        return x + self.mlp(self.mlp_norm(x)), KeyValue(k, v)


class SiteLayer(FusionLayer):
    """Over the sites, each step by itself."""

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """valid: bool [B, S], the sites that may be looked at."""
        steps = x.shape[2]
        mask = None if valid is None else repeat(valid, "b s -> (b t) 1 1 s", t=steps)
        attended = self.attention(rearrange(self.norm(x), "b s t d -> (b t) s d"), mask)
        x = x + rearrange(attended, "(b t) s d -> b s t d", t=steps)
        return x + self.mlp(self.mlp_norm(x))


class FeatureFusion(nn.Module):
    """words: positions in time that a sentence takes."""

    def __init__(self, width: int, depth: int, hidden: int, words: int):
        super().__init__()
        self.words = words
        kinds = (TimeLayer, SiteLayer)
        self.layers = nn.ModuleList(kinds[number % 2](width, hidden) for number in range(depth))
        self.norm = RMSNorm(width)

    def read(self, tokens: Tensor, counted: Tensor | None = None) -> FusionCache:
        """A sentence's tokens [B, M, D]; those that are not `counted` [B, M] come last, and nobody looks at them."""
        return FusionCache(self._pass(tokens[:, None], None, None)[1], counted)

    def forward(self, x: Tensor, cache: FusionCache, valid: Tensor | None = None) -> tuple[Tensor, FusionCache]:
        """x [B, S, T, D], steps that follow those in the cache -> as x, and the cache with them.

        valid: bool [B, S]; the other sites have no influence on these (what comes out at them means nothing).
        """
        x, layers = self._pass(x, cache, valid)
        return self.norm(x), FusionCache(layers, cache.counted)

    def _pass(self, x: Tensor, cache: FusionCache | None, valid: Tensor | None) -> tuple[Tensor, list[KeyValue]]:
        kept: list[KeyValue] = []
        gap = 0 if cache is None or cache.counted is None else max(0, self.words - cache.counted.shape[1])
        for layer in self.layers:
            if isinstance(layer, TimeLayer):
                past, counted = (None, None) if cache is None else (cache.layers[len(kept)], cache.counted)
                x, seen = layer(x, past, counted, gap)
                kept.append(seen)
            else:
                x = layer(x, valid)
        return x, kept


def _causal(steps: int, before: int, counted: Tensor | None, sites: int, device: torch.device) -> Tensor | None:
    """What each of `steps` steps may look at, of those before and of themselves; None: all of it."""
    mask = None
    if steps > 1:
        mask = torch.ones(steps, before + steps, dtype=torch.bool, device=device).tril(before)
    if counted is None:
        return mask
    there = F.pad(repeat(counted, "b m -> (b s) 1 1 m", s=sites), (0, before + steps - counted.shape[1]), value=True)
    return there if mask is None else there & mask
