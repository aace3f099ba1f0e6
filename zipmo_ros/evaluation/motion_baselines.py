"""What a planner must beat: motion predicted without one, from the past alone or from a training demonstration.

All take windows of demonstrations, see DemonstrationWindows. Points are (y, x) in [-1, 1].
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from zipmo_ros.data.rows import Rows
from zipmo_ros.data.windows import DemonstrationWindows

THUMBNAIL = 32  # pixels; a thing that is handled spans two or three of them


def chosen_windows(windows: DemonstrationWindows, indices: Tensor) -> DemonstrationWindows:
    """The windows at `indices`, in that order; what file they are from is not kept."""
    fields = (field.name for field in dataclasses.fields(windows))
    rows = {name: value[indices] for name in fields if isinstance(value := getattr(windows, name), Tensor | Rows)}
    return dataclasses.replace(windows, **rows, parts=())


def past_motion(windows: DemonstrationWindows, index: int) -> tuple[Tensor, Tensor] | None:
    """What had been seen to move until window `index` starts, in each view: places [V, M, 2], velocities [V, M, 2].

    Places at the window's start, velocities a control step, over the step from the stored frame before it. They are
    those of the points tracked by all windows of the demonstration that started no later than that frame and still run:
    their samples up to this window's start are the past, and no later one is read. A point that is hidden at the
    window's start has place infinity. None at a demonstration's first frame.
    """
    samples = windows.tracks.shape[-2]
    ages = windows.step[index] - windows.step
    earlier = ((windows.demo == windows.demo[index]) & (ages > 0) & (ages < samples)).nonzero()[:, 0]
    if not len(earlier):
        return None
    pause = int(ages[earlier].min())
    places, velocities = [], []
    for row in earlier.tolist():
        age = int(ages[row])
        now, before = windows.tracks[row, :, :, age].float(), windows.tracks[row, :, :, age - pause].float()
        places.append(now.masked_fill(~windows.visible[row, :, :, age, None], torch.inf))
        velocities.append((now - before) / pause)
    return torch.cat(places, dim=1), torch.cat(velocities, dim=1)


def constant_velocity(windows: DemonstrationWindows, index: int, queries: Tensor) -> Tensor:
    """queries [V, N, 2] at the start of window `index` -> tracks [V, N, T, 2].

    Every point goes on as the nearest point went whose past is known (`past_motion`). At a demonstration's first frame,
    and in a view of which nothing is known, nothing moves: the arm has been standing.
    """
    samples = windows.tracks.shape[-2]
    velocity = torch.zeros_like(queries)
    if (past := past_motion(windows, index)) is not None:
        for view, (places, velocities) in enumerate(zip(*past, strict=True)):
            known = places.isfinite().all(-1)
            if known.any():
                nearest = torch.cdist(queries[view], places[known]).argmin(dim=1)
                velocity[view] = velocities[known][nearest]
    return queries[:, :, None] + torch.arange(samples)[:, None] * velocity[:, :, None]


def nearest_windows(windows: DemonstrationWindows, indices: Tensor, training: Tensor) -> Tensor:
    """For each window of `indices` the one of `training` that looks most like it: int64 [B].

    It has the same sentence and belongs to another demonstration. Looks are both views' start frames averaged down to
    32 x 32 pixels, compared by Euclidean distance. Raises ValueError where no such window exists.
    """
    found = torch.empty_like(indices)
    for sentence in windows.sentence[indices].unique():
        asked = (windows.sentence[indices] == sentence).nonzero()[:, 0]
        known = training[windows.sentence[training] == sentence]
        same = windows.demo[indices[asked]][:, None] == windows.demo[known]
        if same.all(dim=1).any():
            raise ValueError(
                f"'{windows.sentences[sentence]}' is told in no other training demonstration: nothing to compare with"
            )
        distances = torch.cdist(_thumbnails(windows, indices[asked]), _thumbnails(windows, known))
        found[asked] = known[distances.masked_fill(same, torch.inf).argmin(dim=1)]
    return found


def neighbour_motion(neighbours: DemonstrationWindows, queries: Tensor) -> Tensor:
    """queries [B, V, N, 2] -> tracks [B, V, N, T, 2]: each goes as the nearest point of its neighbour went, of those
    that are visible at its start (of all of them where none is).
    """
    tracks, visible = neighbours.tracks[:].float(), neighbours.visible[:][..., 0]
    distance = torch.cdist(queries, tracks[:, :, :, 0])
    distance = distance + 1e3 * ~visible[:, :, None]
    nearest = distance.argmin(dim=-1)[..., None, None].expand(-1, -1, -1, *tracks.shape[3:])
    shift = (tracks - tracks[:, :, :, :1]).gather(2, nearest)
    return queries[:, :, :, None] + shift


def _thumbnails(windows: DemonstrationWindows, indices: Tensor, batch: int = 256) -> Tensor:
    """Start frames of both views [B, V * 32 * 32 * 3]."""
    images = (rearrange(windows.images[chosen].float(), "b v h w c -> b (v c) h w") for chosen in indices.split(batch))
    return torch.cat([F.adaptive_avg_pool2d(batch, THUMBNAIL).flatten(1) for batch in images])
