"""The two ways in which ATM's policy reads tracks: as tokens of its transformer, and raw, just before its head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class TrackReading(nn.Module):
    """tracks [B, V, N, T, 2]; a token stands for a whole track, and says of which view it is."""

    def __init__(self, width: int, views: int, steps: int):
        super().__init__()
        self.views = views
        self.token_in = nn.Linear(2 * steps + views, width)

    def tokens(self, tracks: Tensor) -> Tensor:
        """-> [B, V * N, D]."""
        whole = in_frame(tracks).flatten(-2)
        view = F.one_hot(torch.arange(self.views, device=tracks.device), self.views).to(whole.dtype)
        view = view[:, None].expand(*whole.shape[:3], self.views)
        return self.token_in(torch.cat([whole, view], dim=-1)).flatten(1, 2)


def raw(tracks: Tensor) -> Tensor:
    """All numbers of tracks [B, V, N, T, 2] -> [B, V * N * T * 2]."""
    return rearrange(in_frame(tracks), "b v n t c -> b (v n t c)")


def in_frame(tracks: Tensor) -> Tensor:
    """Coordinates of [-1, 1] in [0, 1] of the frame, as ATM counts them."""
    return (tracks + 1) / 2
