"""Which points to follow: those that will move are drawn more often, as in training (paper sections 3.1 and 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEEPEST = 10.0  # exponents of the draw end here


def movement(tracks: Tensor, visible: Tensor, scale: float) -> Tensor:
    """Mean squared movement a step [...] in pixels^2, over the steps at both ends of which the point is visible.

    tracks [..., T, 2], visible bool [..., T]. scale: pixels of a unit. The mean counts one step more than there are, so
    that points that are hardly seen come to little (as in the release).
    """
    both = visible[..., 1:] & visible[..., :-1]
    squares = (tracks.diff(dim=-2) * scale).square().sum(-1)
    return (squares * both).sum(-1) / (both.sum(-1) + 1)


def draw_points(
    moved: Tensor, uniform: Tensor, count: int, temperature: float, eligible: Tensor | None = None
) -> Tensor:
    """`count` of P points without replacement, each by exp(min(temperature * its movement, 10)): int64 [..., count].

    moved [..., P]: movement, expected or true. uniform [..., P]: random numbers in [0, 1). eligible: bool [..., P]; the
    others are only taken where those do not suffice. Raises ValueError where there are fewer than `count` points.
    """
    if moved.shape[-1] < count:
        raise ValueError(f"{count} points are asked for, and there are {moved.shape[-1]}")
    # The largest of logits with Gumbel noise are a draw without replacement by their softmax.
    keys = (temperature * moved).clamp(0, STEEPEST) - (-uniform.clamp(1e-12, 1 - 1e-7).log()).log()
    if eligible is not None:
        keys = torch.where(eligible, keys, keys - 1e3)
    return keys.topk(count, dim=-1).indices


class QueryPredictor(nn.Module):
    """Expected movement of a point, from what the image looks like there. Where more of it makes no difference to the
    draw, it need not be told apart.
    """

    def __init__(self, width: int, hidden_width: int = 128):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, hidden_width), nn.SiLU(), nn.Linear(hidden_width, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """features [..., C] of Frames.lookup -> pixels^2 a step [...]; those who look learn nothing from it."""
        return self.mlp(features.detach()).squeeze(-1)

    def loss(self, features: Tensor, moved: Tensor, temperature: float) -> Tensor:
        """Squared error in exponents of the draw, the steepest counted as 1, so that gradients are clipped by those of
        the flow; features [..., C], moved [...] as `movement`.
        """
        wanted = (temperature * moved).clamp(max=STEEPEST)
        return ((temperature * self(features) - wanted) / STEEPEST).square().mean()
