"""Choosing points on tracks, and errors of predicted tracks in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.motion.metrics import share_within
from zipmo_ros.motion.points import draw_moving, take_points

PCK_PIXELS = (1, 2, 4)


def sample_points(moving: Tensor, count: int, moving_weight: float, generator: torch.Generator) -> Tensor:
    """Draw `count` of P points without replacement, a moving one `moving_weight` times as likely as another.

    moving: bool [..., P]. Returns int64 [..., count]. Raises ValueError when there are fewer than `count` points.
    """
    if moving.shape[-1] < count:
        raise ValueError(
            f"{count} points are asked for, but a view has {moving.shape[-1]}; "
            "lower model.vae.points_in and stage.points_out"
        )
    uniform = torch.rand(moving.shape, generator=generator, device=generator.device).to(moving.device)
    return draw_moving(moving, uniform, count, moving_weight)


def taken(values: Tensor, chosen: Tensor) -> Tensor:
    """values [B, V, P, ...] at points [B, V, N] -> [B, V, N, ...]."""
    return take_points(values.flatten(0, 1), chosen.flatten(0, 1)).unflatten(0, chosen.shape[:2])


class TrackErrors:
    """Accumulates errors of tracks in pixels of an image of IMAGE_SIZE, beside those of predicting no motion.

    end-point error (epe): mean Euclidean distance over points and samples. mse: mean squared error per coordinate,
    px^2.
    pck<n>: share of points and samples within n px. *_moving: over moving points only. still_*: the prediction
    "nothing moves".
    """

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(
        self, predicted: Tensor, target: Tensor, moving: Tensor, prefix: str = "", start: Tensor | None = None
    ) -> None:
        """predicted, target: [B, N, T, 2] in [-1, 1]; moving: bool [B, N]; start [B, N, 1, 2]: where they began, unless
        it is the first of them.
        """
        still = (target[:, :, :1] if start is None else start).expand_as(target)
        for source, tracks in (("", predicted), ("still_", still)):
            difference = (tracks.float() - target.float()) * (IMAGE_SIZE / 2)
            distance = difference.norm(dim=-1)
            self._count(f"{prefix}{source}mse", difference.square())
            for suffix, chosen in (("", distance), ("_moving", distance[moving])):
                self._count(f"{prefix}{source}epe{suffix}", chosen)
                if not source:
                    for pixels in PCK_PIXELS:
                        self._count(f"{prefix}pck{pixels}{suffix}", (chosen <= pixels).float())

    def _count(self, name: str, values: Tensor) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + float(values.detach().sum(dtype=torch.float64))
        self.counts[name] = self.counts.get(name, 0) + values.numel()

    def means(self) -> dict[str, float]:
        return {name: total / self.counts[name] for name, total in self.sums.items() if self.counts[name]}


class PlanFigures:
    """What a stage that predicts tracks says of them: TrackErrors and ARFM's mean delta, of all views and of each.

    first_*: TrackErrors of the first step alone, which is executed first. another_*: of the plan when another sentence
    of the scene is told: a planner that reads is farther off. headline: see Stage.
    """

    headline = ("epe_moving", "another_epe_moving", "still_epe_moving", "first_epe_moving", "first_still_epe_moving",
                "delta")  # fmt: skip

    def __init__(self, views: Sequence[str]) -> None:
        self._views, self._errors = views, TrackErrors()
        self._within: dict[str, list[Tensor]] = {}

    def add(self, predicted: Tensor, another: Tensor, target: Tensor, visible: Tensor, moving: Tensor) -> None:
        """predicted, another (see above), target: [B, V, N, T, 2] in [-1, 1], the first sample given; visible: bool
        [B, V, N, T]; moving: bool [B, V, N].
        """
        for view, name in enumerate(self._views):
            ours, theirs, seen = predicted[:, view], target[:, view], visible[:, view, :, 1:]
            within = share_within(ours[:, :, 1:], theirs[:, :, 1:], seen)
            for prefix in ("", f"{name}_"):
                self._errors.add(ours, theirs, moving[:, view], prefix)
                self._errors.add(another[:, view], theirs, moving[:, view], f"{prefix}another_")
                first, true, start = ours[:, :, 1:2], theirs[:, :, 1:2], theirs[:, :, :1]
                self._errors.add(first, true, moving[:, view], f"{prefix}first_", start)
                self._within.setdefault(f"{prefix}delta", []).append(within)

    def means(self) -> dict[str, float]:
        deltas = {name: float(torch.cat(parts).nanmean()) for name, parts in self._within.items()}
        errors = {name: value for name, value in self._errors.means().items() if "another_still" not in name}
        return {**errors, **deltas}
