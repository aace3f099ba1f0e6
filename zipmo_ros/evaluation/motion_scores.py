"""How good planner and autoencoder are by themselves, on windows of demonstrations: no simulator, no policy.

Every figure is of points that were drawn uniformly in the image (the second half of those stored). Symbols: B windows,
V views, K plans of a window, N points, T samples, L latent tokens of all views, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.data.rows import Rows
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.evaluation.motion_baselines import chosen_windows, constant_velocity, nearest_windows
from zipmo_ros.motion.config import TextConfig
from zipmo_ros.motion.metrics import average_displacement, endpoint_error, final_displacement, mse
from zipmo_ros.motion.points import take_points
from zipmo_ros.motion.text import embed_for
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.latents import per_draw, sample_plans
from zipmo_ros.training.points import TrackErrors, sample_points

Count = Callable[[Tensor, Tensor, torch.Generator], Tensor]  # tracks, visible, generator -> bool [B, V, N]
BATCH = 32
POOLED = "both"
METRICS = {"mse": mse, "ade": average_displacement, "fde": final_displacement}
# Who predicts, in the order of tables. `another`: the planner, told another sentence of the scene, with the same noise.
# `reconstruction` has seen the future: what the autoencoder lets through.
PREDICTORS = ("planner", "another", "reconstruction", "neighbour", "velocity", "still")


class PlanErrors:
    """Errors of predicted tracks, window by window and view by view.

    A row is a predictor, its number of predictions k, a view (`both`: the windows of both views as one set) and a set
    of points (all, or moving: those that move in the window). min_<metric> is the smallest over the k predictions,
    mean_<metric> their mean; then the mean over windows is taken. Metrics: those of zipmo_ros.motion.metrics, in px^2
    and px at 128 px.
    """

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str, str], dict[str, list[Tensor]]] = {}
        self._growth: dict[tuple[str, str], list[Tensor]] = {}

    def add(self, predictor: str, view: str, predicted: Tensor, target: Tensor, moving: Tensor) -> None:
        """predicted [B, K, N, T, 2], target [B, N, T, 2], moving: bool [B, N]."""
        target, moving = target[:, None], moving[:, None]
        for points, counted in (("all", torch.ones_like(moving)), ("moving", moving)):
            for name, metric in METRICS.items():
                errors = metric(predicted, target, counted)
                for place in (view, POOLED):
                    metrics = self._errors.setdefault((predictor, place, points), {})
                    metrics.setdefault(name, []).append(errors)
        distance = endpoint_error(predicted, target).mean(dim=1)
        self._growth.setdefault((predictor, view), []).append(distance[moving[:, 0]])

    def rows(self) -> list[dict[str, Any]]:
        """See the class."""
        return [
            {"predictor": predictor, "k": k, "view": view, "points": points, **_over_plans(errors, k)}
            for (predictor, view, points), metrics in self._errors.items()
            for errors in [{name: torch.cat(parts) for name, parts in metrics.items()}]
            for k in sorted({1, errors["mse"].shape[1]})
        ]

    def growth(self) -> dict[str, dict[str, list[float]]]:
        """Mean distance of moving points in px at each of the T samples, by predictor and view."""
        result: dict[str, dict[str, list[float]]] = {}
        for (predictor, view), parts in self._growth.items():
            result.setdefault(predictor, {})[view] = [round(float(x), 3) for x in torch.cat(parts).mean(dim=0)]
        return result


def _over_plans(errors: dict[str, Tensor], k: int) -> dict[str, float | None]:
    """Errors [windows, K] of each metric; windows without a point that counts are left out."""
    figures = {}
    for name, values in errors.items():
        values = values[~values.isnan().any(dim=1), :k].double()
        for kind, over in (("min", values.amin), ("mean", values.mean)):
            figures[f"{kind}_{name}"] = round(float(over(dim=1).mean()), 4) if len(values) else None
    return figures


@dataclass(frozen=True)
class Subject:
    """A planner and the autoencoder that it plans for, which is given tracks to encode as in its training."""

    vae: TrackVAE
    planner: MotionPlanner

    @property
    def device(self) -> torch.device:
        return self.planner.latent_pos.device

    @property
    def text(self) -> TextConfig:
        """How the planner reads sentences. Raises ValueError for one that takes none."""
        if (text := self.planner.config.text) is None:
            raise ValueError(
                "this planner takes pokes, not sentences: it can't be told what the demonstrations were told"
            )
        return text

    @torch.no_grad()
    def encode(self, windows: DemonstrationWindows, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normalised latents [B, L, C] of true tracks, and which points they were encoded from: bool [B, V, P]."""
        tracks = rearrange(windows.tracks, "b v p t yx -> (b v) p t yx")
        moving = rearrange(windows.moving, "b v p -> (b v) p")
        chosen = sample_points(moving, self.vae.config.points_in, self.vae.config.moving_weight, generator)
        images = rearrange(windows.images, "b v h w c -> (b v) h w c").to(self.device)
        mean = self.vae.encode(take_points(tracks, chosen).float().to(self.device), images).mean
        given = torch.zeros_like(moving).scatter_(1, chosen, value=True)
        latents = rearrange(self.vae.normalise(mean), "(b v) l c -> b (v l) c", b=len(windows))
        return latents, given.reshape(windows.moving.shape)

    @torch.no_grad()
    def decode(self, latents: Tensor, images: Tensor | Rows, queries: Tensor) -> Tensor:
        """Normalised latents [B, K, L, C] at queries [B, V, N, 2] in images [B, V, H, W, 3] -> [B, K, V, N, T, 2]."""
        draws, views = latents.shape[1], queries.shape[1]
        tracks = []
        for view, part in enumerate(latents.chunk(views, dim=2)):
            tokens = self.vae.image_tokens(images[:, view].to(self.device))
            tracks.append(
                self.vae.decode(
                    self.vae.denormalise(rearrange(part, "b k l c -> (b k) l c").float().to(self.device)),
                    per_draw(queries[:, view].to(self.device), draws),
                    image_tokens=None if tokens is None else per_draw(tokens, draws),
                    steps=HORIZON,
                ).cpu()
            )
        return rearrange(torch.stack(tracks), "v (b k) n t yx -> b k v n t yx", k=draws)


def measure(
    subject: Subject,
    windows: DemonstrationWindows,
    chosen: Tensor,
    training: Tensor,
    *,
    draws: int,
    steps: int,
    seed: int,
    count: Count | None = None,
    progress: Callable[[int], Any] = lambda done: None,
) -> dict[str, Any]:
    """Figures of the windows `chosen`; neighbours are looked for in `training`. Repeatable by seed.

    draws: plans a window. steps: Euler steps a plan. count: which points are moving; None: as the demonstrations say.
    progress: told the number of windows done by each batch.
    Returns predictions (PlanErrors.rows), growth (PlanErrors.growth), autoencoder ({encoded, held_out: {view:
    TrackErrors.means}}) and without_past, the number of windows at the first frame of a demonstration.
    Raises ValueError for a planner that takes no sentence, and see nearest_windows.
    """
    text = embed_for(subject.text, list(windows.sentences))
    neighbours = nearest_windows(windows, chosen, training)
    generator = torch.Generator().manual_seed(seed)
    uniform = windows.anywhere
    errors, reconstruction = PlanErrors(), {"encoded": TrackErrors(), "held_out": TrackErrors()}
    for number, (own, near) in enumerate(zip(chosen.split(BATCH), neighbours.split(BATCH), strict=True)):
        batch = chosen_windows(windows, own)
        target = batch.tracks[:, :, uniform].float()
        moving = count(target, batch.visible[:, :, uniform], generator) if count else batch.moving[:, :, uniform]
        queries = target[:, :, :, 0]
        true, given = subject.encode(batch, generator)
        similar, _ = subject.encode(chosen_windows(windows, near), generator)
        plans, others = (sample_plans(subject.planner, told, text, draws, steps, seed + number)
                         for told in (batch, replace(batch, sentence=windows.another_sentence(own))))  # fmt: skip
        past = torch.stack([constant_velocity(windows, int(i), q) for i, q in zip(own, queries, strict=True)])
        predictions = {
            "planner": subject.decode(plans, batch.images, queries),
            "another": subject.decode(others, batch.images, queries),
            "reconstruction": subject.decode(true[:, None], batch.images, queries),
            "neighbour": subject.decode(similar[:, None], batch.images, queries),
            "velocity": past[:, None],
            "still": queries[:, None, :, :, None].expand_as(target[:, None]),
        }
        for view, name in enumerate(windows.views):
            for predictor in PREDICTORS:
                tracks = predictions[predictor][:, :, view]
                errors.add(predictor, name, tracks, target[:, view], moving[:, view])
            for kind, part in (("encoded", given), ("held_out", ~given)):
                part = part[:, view, uniform]
                tracks = predictions["reconstruction"][:, 0, view]
                for place in (name, POOLED):
                    values = (tracks[part][None], target[:, view][part][None], moving[:, view][part][None])
                    reconstruction[kind].add(*values, prefix=f"{place}_")
        progress(len(own))
    return {
        "predictions": errors.rows(),
        "growth": errors.growth(),
        "autoencoder": {kind: _by_view(part.means(), windows.views) for kind, part in reconstruction.items()},
        "without_past": int((windows.step[chosen] == 0).sum()),
    }


def moving_by_variance(
    tracks: Tensor, visible: Tensor, generator: torch.Generator, *, points: int, threshold: float
) -> Tensor:
    """At most `points` of each view, drawn of those that are seen at the start and whose variance over the samples,
    of y and x together, is above `threshold` px^2: bool [B, V, N] for tracks [B, V, N, T, 2].
    """
    variance = (tracks * (IMAGE_SIZE / 2)).var(dim=-2, correction=0).sum(-1)
    able = (variance > threshold) & visible[..., 0]
    lots = torch.rand(able.shape, generator=generator).masked_fill(~able, -1.0)
    drawn = lots.topk(min(points, lots.shape[-1]), dim=-1).indices
    return torch.zeros_like(able).scatter_(-1, drawn, value=True) & able


def _by_view(means: dict[str, float], views: Sequence[str]) -> dict[str, dict[str, float]]:
    """{"VIEW_epe": 1.2, ...} -> {"VIEW": {"epe": 1.2}, ...}."""
    return {
        place: {
            name.removeprefix(f"{place}_"): round(value, 4)
            for name, value in means.items()
            if name.startswith(f"{place}_")
        }
        for place in (*views, POOLED)
    }
