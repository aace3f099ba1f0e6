"""A plan of motion.

| word      | what                                                                                                    |
|-----------|---------------------------------------------------------------------------------------------------------|
| plan      | MotionPlan: how things shall move from one observation on, for how long, and for which goal             |
| embedding | the numbers of a plan as they travel: float32 [V, H, W, C], C numbers at each of H x W sites of V views |
| latents   | an embedding whose sites are the autoencoder's grid: normalised latents, which its decoder makes tracks |
| tracks    | paths of points [V, N, T, 2], (y, x) in [-1, 1]; as an embedding a site is a point (H = N, W = 1): its  |
|           | start, then its T - 1 shifts                                                                            |
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from zipmo_ros.contract.goal import Goal

HORIZON = 16  # control steps that a plan spans, wherever no checkpoint or file says otherwise
UNDERSTOOD = 0.5  # how sure whoever plans is, at least, of a sentence that counts as understood
Kind = Literal["latents", "tracks"]


@dataclass(frozen=True)
class PlanSpec:
    """What plans are made or taken. shape: (V, H, W, C) of the embedding, H None for any number of points of tracks.

    horizon: control steps that it spans, of period_ns each. Raises ValueError for what no plan can be.
    """

    kind: Kind
    shape: tuple[int, int | None, int, int]
    horizon: int
    period_ns: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.kind not in ("latents", "tracks") or len(self.shape) != 4 or self.horizon < 1 or self.period_ns < 1:
            raise ValueError(f"no plan is like this: {self}")
        points = 1 if self.kind == "tracks" and self.shape[1] is None else self.shape[1]
        sizes = (self.shape[0], points, *self.shape[2:])
        if any(size is None or size < 1 for size in sizes):
            raise ValueError(f"no plan is like this: {self}")
        if self.kind == "tracks" and self.shape[2:] != (1, 2 * self.horizon):
            raise ValueError(
                f"a track of {self.horizon} steps is (1, {2 * self.horizon}) numbers, not {self.shape[2:]}"
            )

    def misfit(self, other: PlanSpec) -> str | None:
        """Why plans of `other` can't be taken where plans of this kind are wanted; None if they can."""
        sizes = zip(self.shape, other.shape, strict=True)
        if self.kind != other.kind or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            return f"plans are {other.kind} {list(other.shape)}, not {self.kind} {list(self.shape)}"
        if (self.horizon, self.period_ns) != (other.horizon, other.period_ns):
            theirs, ours = (f"{spec.horizon} steps of {spec.period_ns / 1e6:g} ms" for spec in (other, self))
            return f"plans span {theirs}, not {ours}"
        return None

    def to_plain(self) -> dict[str, Any]:
        """JSON-ready; PlanSpec(**plain) is the way back."""
        return asdict(self)


def track_spec(views: int, horizon: int, period_ns: int) -> PlanSpec:
    """Of plans that are tracks alone, of any number of points."""
    return PlanSpec("tracks", (views, None, 1, 2 * horizon), horizon, period_ns)


@dataclass(frozen=True)
class Verdict:
    """Whether a goal was understood when it was first planned for, at the observation of judged_ns.

    understood: how sure whoever planned was, from 0 to 1. refused: the arm is to hold, for it was not understood.
    """

    understood: float
    judged_ns: int
    refused: bool

    @property
    def clear(self) -> bool:
        """Whether it was understood."""
        return self.understood >= UNDERSTOOD


@dataclass(frozen=True)
class MotionPlan:
    """stamp_ns: of the observation that it was made from. goal: what it was made for.

    embeddings: float32 [K, V, H, W, C], K futures of one batch. understood: how sure whoever planned is that the goal
    means something here, from 0 to 1; None: it can't tell. verdict: what came of that (runtime/judge.py).
    Raises ValueError for another shape than the spec's or another type (over the wire it would not be the same plan),
    and for numbers that are not finite.
    """

    stamp_ns: int
    goal: Goal
    spec: PlanSpec
    embeddings: np.ndarray
    understood: float | None = None
    verdict: Verdict | None = None

    def __post_init__(self) -> None:
        shape = self.embeddings.shape
        wanted = self.spec.shape
        sizes = zip(shape[1:], wanted, strict=False)
        if len(shape) != 5 or not shape[0] or any(w is not None and n != w for n, w in sizes):
            raise ValueError(f"a plan's embeddings are [K, {', '.join(map(str, wanted))}], got {list(shape)}")
        if self.embeddings.dtype != np.float32:
            raise ValueError(f"a plan's embeddings are float32, got {self.embeddings.dtype}")
        bad = int(np.count_nonzero(~np.isfinite(self.embeddings)))
        if bad:
            raise ValueError(f"the plan holds {bad} numbers that are not finite")

    @classmethod
    def of_tracks(cls, stamp_ns: int, goal: Goal, tracks: np.ndarray, period_ns: int) -> MotionPlan:
        """A plan of tracks [K, V, N, T, 2] alone."""
        views, points, horizon = tracks.shape[1:4]
        sites = np.concatenate([tracks[:, :, :, :1], np.diff(tracks, axis=3)], axis=3)
        embeddings = sites.reshape(len(tracks), views, points, 1, 2 * horizon).astype(np.float32)
        return cls(stamp_ns, goal, track_spec(views, horizon, period_ns), embeddings)

    @property
    def refused(self) -> bool:
        """Whether the arm is to hold."""
        return self.verdict is not None and self.verdict.refused

    @property
    def embedding(self) -> np.ndarray:
        """The first future [V, H, W, C]: what travels."""
        return self.embeddings[0]

    @property
    def tracks(self) -> np.ndarray:
        """Of a plan of tracks: [K, V, N, T, 2]. Raises ValueError for other plans, which only a decoder can read."""
        if self.spec.kind != "tracks":
            raise ValueError("this plan is latents: its autoencoder decodes them to tracks")
        count, views, points = self.embeddings.shape[:3]
        return self.embeddings.reshape(count, views, points, self.spec.horizon, 2).cumsum(axis=3)
