"""Pointing at places in an image: a heat map over the cells of a token grid, and an offset within the cell.

Trained on where the thing that a sentence names is and where it is to go (`pointing_loss`); the marks that it leaves on
the tokens tell whoever reads them. Not in the reference, which finds things by the size of its model and data.
Symbols: B batch, V views, L = grid^2 cells, K landmarks, D width, S sentences a frame, one after another in the batch
(B * S) of what depends on them. Coordinates (y, x) in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.layers import Transformer
from zipmo_ros.motion.rope import centers
from zipmo_ros.motion.sentence import Reading

TURNS = 2  # of reading and looking
DOUBT = 0.1  # of every label of what is understood (label smoothing, Szegedy et al. 2016)
SURE = 0.5  # least confidence of a place that is shown


@dataclass(frozen=True)
class Pointing:
    """logits [B, V, K, L]: which cell. places [B, V, K, L, 2]: where, if it is that cell.

    understood [B]: logit of that the sentence means something here; None where nobody says.
    """

    logits: Tensor
    places: Tensor
    understood: Tensor | None = None

    def best(self) -> Tensor:
        """The most likely place of each landmark [B, V, K, 2]."""
        cell = self.logits.argmax(-1)[..., None, None].expand(*self.logits.shape[:-1], 1, 2)
        return self.places.gather(-2, cell).squeeze(-2)

    def confidence(self) -> Tensor:
        """Probability of the most likely cell [B, V, K]; low where a landmark is not in the frame."""
        return self.logits.softmax(-1).amax(-1)

    def told(self, frames: int) -> Tensor:
        """What a network is told of it, by each frame's first sentence [frames, V * K * 3]: of every view and landmark
        how sure it is, and the expected place, the less of it the less sure.
        """
        first = slice(None, None, len(self.logits) // frames)
        sure = self.confidence()[first, ..., None]
        where = (self.logits[first].softmax(-1)[..., None] * self.places[first]).sum(dim=-2)
        return torch.cat([sure, sure * where], dim=-1).flatten(1)


class Queries(nn.Module):
    """What to look for, a query a landmark: they read the sentence's tokens and look at the images', in turns. So an
    image is seen once, whatever is asked about it.
    """

    def __init__(self, width: int, token_width: int, landmarks: int):
        super().__init__()
        self.learned = nn.Parameter(torch.randn(landmarks, width) * width**-0.5)
        self.reading = Transformer(width, TURNS, rope=None, context_width=token_width)
        self.seeing = Transformer(width, TURNS, rope=None, context_width=width, self_attention=False)
        self.key = nn.Linear(width, width, bias=False)
        self.place = nn.Linear(width, 2, bias=False)

    def forward(self, reading: Reading, tokens: Tensor) -> Tensor:
        """Of sentences [B * S] and tokens [B, V, L, D] -> [B * S, K, D]."""
        x = repeat(self.learned, "k d -> b k d", b=len(reading.vector))
        said = self.reading.context(reading.tokens, None, reading.mask)
        seen = self.seeing.context(rearrange(tokens, "b v l d -> b (v l) d"), None)
        for read, look, words, image in zip(self.reading, self.seeing, said, seen, strict=True):
            x = read(x, read.rope(None), words, read.gains(None))
            x = look(x, look.rope(None), image, look.gains(None))
        return x

    def logits(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """How well each token [B, V, L, D] answers each query [B * S, K, D]: [B * S, V, K, L]."""
        asked = _by_frame(queries, tokens)
        answers = torch.einsum("b s k d, b v l d -> b s v k l", asked, self.key(tokens)).flatten(0, 1)
        return answers.float() * tokens.shape[-1] ** -0.5

    def offsets(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """What each query adds to where in each cell it would be: [B * S, V, K, L, 2]."""
        asked = _by_frame(self.place.weight * queries[:, :, None], tokens)  # what of a token tells it
        return torch.einsum("b s k c d, b v l d -> b s v k l c", asked, tokens).flatten(0, 1).float()


def _by_frame(asked: Tensor, tokens: Tensor) -> Tensor:
    """[B * S, ...] -> [B, S, ...], B being the tokens'."""
    return asked.unflatten(0, (len(tokens), len(asked) // len(tokens)))


class Understanding(nn.Module):
    """Whether a sentence means something in what is seen: from the whole of it, what it looks for, and what is there
    where it points.
    """

    def __init__(self, width: int, token_width: int, landmarks: int, views: int):
        super().__init__()
        looked, seen = landmarks * width, landmarks * views * width
        self.norm = nn.LayerNorm(width)
        self.read = nn.Sequential(
            nn.Linear(token_width + looked + 2 * seen + landmarks * views, width), nn.SiLU(), nn.Linear(width, 1)
        )

    def forward(self, reading: Reading, queries: Tensor, tokens: Tensor, pointing: Pointing) -> Tensor:
        """tokens [B, V, L, D] that it points at, without its marks -> logit [B * S]."""
        heat = pointing.logits.softmax(-1)
        seen = torch.einsum("b s v k l, b v l d -> b s v k d", _by_frame(heat, tokens), tokens)
        seen = self.norm(seen.flatten(0, 1))
        parts = (reading.vector, queries, seen, seen * queries[:, None], heat.amax(-1))
        return self.read(torch.cat([part.flatten(1) for part in parts], dim=1))[:, 0].float()


class Pointer(nn.Module):
    """Of what the tokens say themselves, whom a sentence has modulated; where it is read by tokens, of queries too."""

    def __init__(self, width: int, landmarks: int, grid: int, token_width: int | None = None):
        super().__init__()
        self.landmarks, self.grid = landmarks, grid
        self.norm = nn.LayerNorm(width)
        self.point = nn.Linear(width, 3 * landmarks)
        self.queries = Queries(width, token_width, landmarks) if token_width else None
        self.marker = nn.Linear(3 * landmarks, width, bias=False)
        axis = centers(grid)
        cells = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
        self.register_buffer("cells", rearrange(cells, "h w yx -> (h w) yx"), persistent=False)

    def forward(self, tokens: Tensor, queries: Tensor | None = None) -> Pointing:
        """tokens [B, V, L, D]; queries [B * S, K, D], where there are some. Of what does not depend on these, a frame's
        sentences share all.
        """
        tokens = self.norm(tokens)
        out = rearrange(self.point(tokens).float(), "b v l (k c) -> b v k l c", c=3)
        logits, offsets = out[..., 0], out[..., 1:]
        if queries is not None:
            several = len(queries) // len(tokens)
            logits = logits.repeat_interleave(several, 0) + self.queries.logits(queries, tokens)
            offsets = offsets.repeat_interleave(several, 0) + self.queries.offsets(queries, tokens)
        return Pointing(logits, self.cells + torch.tanh(offsets) * (2.0 / self.grid))

    def mark(self, pointing: Pointing) -> Tensor:
        """What to add to the tokens [B, V, L, D]: how likely each landmark is in a cell, and where."""
        heat = pointing.logits.softmax(-1)[..., None] * self.grid
        marks = torch.cat([heat, heat * pointing.places], dim=-1)
        return self.marker(rearrange(marks, "b v k l c -> b v l (k c)"))


def sure_places(pointing: Pointing | None, views: int) -> np.ndarray:
    """Where the first of a batch points [V, K, 2], NaN where it is not sure; K is 0 for what points at nothing."""
    if pointing is None:
        return np.empty((views, 0, 2), np.float32)
    sure = pointing.confidence() >= SURE
    return torch.where(sure[..., None], pointing.best(), torch.nan)[0].cpu().numpy()


def most_likely(pointing: Pointing | None, understood_at: float) -> tuple[np.ndarray, float | None]:
    """As sure_places, wherever it is most likely, and how sure it is that it understood (None: nobody says).

    Raises ValueError for what points at nothing.
    """
    if pointing is None:
        raise ValueError("this planner points at nothing")
    return pointing.best()[0].cpu().numpy(), understood(pointing, understood_at)


def understood(pointing: Pointing | None, understood_at: float, row: int = 0) -> float | None:
    """How sure one of a batch is that it understood: UNDERSTOOD (contract.plan) where its logit is understood_at, which
    its encoder was calibrated to. None where nobody says.
    """
    if pointing is None or pointing.understood is None:
        return None
    return float(torch.sigmoid(pointing.understood[row].double() - understood_at))


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


def understanding_loss(logits: Tensor, understood: Tensor) -> Tensor:
    """Cross entropy of logits [B] and whether the sentence can be done [B], which is never quite certain: whoever is
    sure of all that he was told does not doubt what he never was.
    """
    return F.binary_cross_entropy_with_logits(logits, understood.float().clamp(DOUBT, 1 - DOUBT))
