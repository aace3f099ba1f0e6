"""How good any planner is by itself, on windows of demonstrations, by ARFM's measure and by ZipMo's.

Points are drawn uniformly, the same ones for every planner, and those that move count. (ARFM's paper draws them by how
much they will move: then which ones there are tells a planner of tracks where the motion goes.) Symbols: B windows,
V views, K futures, N points, T samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.evaluation.motion_baselines import (
    chosen_windows,
    constant_velocity,
    nearest_windows,
    neighbour_motion,
)
from zipmo_ros.evaluation.motion_scores import BATCH, POOLED, PlanErrors, Subject
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.config import TextConfig
from zipmo_ros.motion.metrics import DELTA_PIXELS, DELTA_SIZE, endpoint_error, share_within
from zipmo_ros.motion.text import embed_for
from zipmo_ros.training.latents import draw_plans
from zipmo_ros.training.points import taken
from zipmo_ros.training.stages.arfm import predict
from zipmo_ros.training.stages.atm import predict_tracks

POINTS = 24  # of a view, where it has as many


class DeltaErrors:
    """Deltas and ADE of predicted tracks over what counts of them, without the first sample, which is given.

    Of the K futures of a window and view the one with the largest mean delta counts; ADE is over all of them. Then the
    mean over windows is taken.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[Tensor]] = {}
        self._draws: dict[str, int] = {}

    def add(self, predictor: str, view: str, predicted: Tensor, target: Tensor, counted: Tensor) -> None:
        """predicted [B, K, N, T, 2], target [B, N, T, 2], counted: bool [B, N, T]."""
        predicted, target, counted = predicted[..., 1:, :], target[:, None, :, 1:], counted[:, None, :, 1:]
        within = share_within(predicted, target, counted)
        best = within[torch.arange(len(within)), within.mean(dim=-1).argmax(dim=1)]
        distance = endpoint_error(predicted, target, DELTA_SIZE).masked_fill(~counted, 0.0)
        displacement = (distance.sum(dim=(-2, -1)) / counted.sum(dim=(-2, -1))).mean(dim=1, keepdim=True)
        figures = torch.cat([best, best.mean(dim=-1, keepdim=True), displacement], dim=-1)
        for place in (view, POOLED):
            self._parts.setdefault((predictor, place), []).append(figures)
        self._draws[predictor] = predicted.shape[1]

    def rows(self) -> list[dict[str, Any]]:
        """predictor, k, view, delta4 to delta64, delta (their mean) and ade in px of DELTA_SIZE."""
        names = [*(f"delta{pixels}" for pixels in DELTA_PIXELS), "delta", "ade"]
        return [
            {"predictor": predictor, "k": self._draws[predictor], "view": view}
            | {name: round(float(value), 4) for name, value in zip(names, torch.cat(parts).nanmean(dim=0), strict=True)}
            for (predictor, view), parts in self._parts.items()
        ]


class Foresight(NamedTuple):
    """A planner of tracks, or of what is decoded to them. text: how it reads sentences.

    predict(images [B, V, H, W, 3], text, starts [B, V, N, 2], draws, generator, steps) -> tracks [B, K, V, N, T, 2]; K
    is 1 for one that draws nothing, and steps None for one that takes none.
    """

    text: TextConfig
    predict: Callable[[Tensor, Tensor, Tensor, int, torch.Generator, Any], Tensor]


def of_zipmo(subject: Subject) -> Foresight:
    """Its plans are decoded at the points. Raises ValueError for a planner that takes no sentence."""

    def futures(
        images: Tensor, text: Tensor, starts: Tensor, draws: int, generator: torch.Generator, steps: int
    ) -> Tensor:
        return subject.decode(draw_plans(subject.planner, images, text, draws, steps, generator), images, starts)

    return Foresight(subject.text, futures)


def of_arfm(model: MotionPredictor) -> Foresight:
    """Raises ValueError for a model that reads no sentences of ours."""
    config = model.config
    if config.text is None:
        raise ValueError("this model takes CLIP's tokens: it can't be told what the demonstrations were told")

    def futures(
        images: Tensor, text: Tensor, starts: Tensor, draws: int, generator: torch.Generator, steps: int
    ) -> Tensor:
        noise = torch.randn(len(images), draws, HORIZON - 1, *starts.shape[1:], generator=generator)
        return predict(model, images, text, starts, noise, steps)

    return Foresight(config.text, futures)


def of_atm(model: TrackTransformer) -> Foresight:
    def future(images: Tensor, text: Tensor, starts: Tensor, *_: Any) -> Tensor:
        return predict_tracks(model, images, text, starts)[:, None]

    return Foresight(model.config.text, future)


def measure_tracks(
    planner: Foresight,
    windows: DemonstrationWindows,
    chosen: Tensor,
    training: Tensor,
    *,
    draws: int,
    steps: int | None,
    seed: int,
    progress: Callable[[int], Any] = lambda done: None,
) -> dict[str, Any]:
    """Figures of the windows `chosen`, as motion_scores.measure; repeatable by seed.

    Returns deltas (DeltaErrors.rows), predictions and growth (PlanErrors), without_past.
    Raises ValueError, see nearest_windows.
    """
    text = embed_for(planner.text, list(windows.sentences))
    neighbours = nearest_windows(windows, chosen, training)
    lots = torch.Generator().manual_seed(seed)  # draws the points, the same for every planner
    deltas, errors = DeltaErrors(), PlanErrors()
    for number, (own, near) in enumerate(zip(chosen.split(BATCH), neighbours.split(BATCH), strict=True)):
        batch = chosen_windows(windows, own)
        stored = [part[:, :, windows.anywhere] for part in (batch.tracks[:].float(), batch.visible[:], batch.moving[:])]
        lot = torch.rand(stored[1].shape[:3], generator=lots)
        points = lot.topk(min(POINTS, lot.shape[2]), dim=-1).indices
        target, visible, moving = (taken(part, points) for part in stored)
        queries = target[:, :, :, 0]
        past = torch.stack([constant_velocity(windows, int(i), q) for i, q in zip(own, queries, strict=True)])
        images = batch.images[:]
        told, another = (
            planner.predict(images, text[rows], queries, draws, torch.Generator().manual_seed(seed + 1 + number), steps)
            for rows in (batch.sentence, windows.another_sentence(own))
        )
        predictions = {
            "planner": told,
            "another": another,
            "neighbour": neighbour_motion(chosen_windows(windows, near), queries)[:, None],
            "velocity": past[:, None],
            "still": queries[:, None, :, :, None].expand_as(target[:, None]),
        }
        for view, name in enumerate(windows.views):
            for predictor, predicted in predictions.items():
                counted = visible[:, view] & moving[:, view, :, None]
                deltas.add(predictor, name, predicted[:, :, view], target[:, view], counted)
                errors.add(predictor, name, predicted[:, :, view], target[:, view], moving[:, view])
        progress(len(own))
    without_past = int((windows.step[chosen] == 0).sum())
    return {
        "deltas": deltas.rows(), "predictions": errors.rows(), "growth": errors.growth(), "without_past": without_past
    }  # fmt: skip
