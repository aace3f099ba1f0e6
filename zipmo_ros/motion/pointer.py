"""Pointing at places in an image: a heat map over the cells of a token grid, and an offset within the cell.

Trained on where the thing that a sentence names is and where it is to go (`pointing_loss`); the marks that it leaves on
the tokens tell whoever reads them. Not in the reference, which finds things by the size of its model and data.
Symbols: B batch, V views, L = grid^2 cells, K landmarks. Coordinates (y, x) in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.rope import centers


@dataclass(frozen=True)
class Pointing:
    """logits [B, V, K, L]: which cell. places [B, V, K, L, 2]: where, if it is that cell."""

    logits: Tensor
    places: Tensor

    def best(self) -> Tensor:
        """The most likely place of each landmark [B, V, K, 2]."""
        cell = self.logits.argmax(-1)[..., None, None].expand(*self.logits.shape[:-1], 1, 2)
        return self.places.gather(-2, cell).squeeze(-2)

    def confidence(self) -> Tensor:
        """Probability of the most likely cell [B, V, K]; low where a landmark is not in the frame."""
        return self.logits.softmax(-1).amax(-1)


class Pointer(nn.Module):
    def __init__(self, width: int, landmarks: int, grid: int):
        super().__init__()
        self.landmarks, self.grid = landmarks, grid
        self.norm = nn.LayerNorm(width)
        self.point = nn.Linear(width, 3 * landmarks)
        self.marker = nn.Linear(3 * landmarks, width, bias=False)
        axis = centers(grid)
        cells = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
        self.register_buffer("cells", rearrange(cells, "h w yx -> (h w) yx"), persistent=False)

    def forward(self, tokens: Tensor) -> Pointing:
        """tokens [B, V, L, D]."""
        out = rearrange(self.point(self.norm(tokens)).float(), "b v l (k c) -> b v k l c", c=3)
        return Pointing(out[..., 0], self.cells + torch.tanh(out[..., 1:]) * (2.0 / self.grid))

    def mark(self, pointing: Pointing) -> Tensor:
        """What to add to the tokens [B, V, L, D]: how likely each landmark is in a cell, and where."""
        heat = pointing.logits.softmax(-1)[..., None] * self.grid
        marks = torch.cat([heat, heat * pointing.places], dim=-1)
        return self.marker(rearrange(marks, "b v k l c -> b v l (k c)"))


def cell_of(places: Tensor, grid: int) -> Tensor:
    """places [..., 2] in the frame -> index of the cell they lie in, int64 [...]."""
    row, column = ((places + 1) / 2 * grid).long().clamp(0, grid - 1).unbind(-1)
    return row * grid + column


def pointing_loss(pointing: Pointing, places: Tensor, grid: int) -> Tensor:
    """Cross entropy of the cell plus the distance (L1, in cells) within it; over landmarks that are in the frame.

    places [B, V, K, 2]; outside [-1, 1], or not a number: not in the frame.
    """
    inside = (places.abs() <= 1).all(-1)
    places = torch.where(inside[..., None], places, 0.0)
    cell = cell_of(places, grid)
    which = F.cross_entropy(pointing.logits.flatten(0, 2), cell.flatten(), reduction="none").view(cell.shape)
    predicted = pointing.places.gather(-2, cell[..., None, None].expand(*cell.shape, 1, 2)).squeeze(-2)
    where = (predicted - places).abs().sum(-1) * grid / 2
    return ((which + where) * inside).sum() / inside.sum().clamp_min(1)
