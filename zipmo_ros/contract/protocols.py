"""What a planner, a policy, a reader of demonstrations and a tracker of points have to offer.

Nothing else of the system knows which one it is. Where they run (device, threads) and how (steps of a sampler, dtype)
belongs to the instance, not to the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan, PlanSpec, track_spec

ENGINES = ("eager", "compile", "onnx")
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class Execution:
    """How an instance computes. device: of torch. threads: on the CPU; with 1, results repeat on every machine.

    steps: of a sampler (network evaluations a plan); None: as the checkpoint says. dtype: of a planner's
    arithmetic, of DTYPES; policies compute in float32.
    warm_start: flow time from which on a plan is denoised that begins as the last one went on; None: all from noise.
    engine: of ENGINES, what carries out a planner's network: PyTorch as it is (eager), its compiler, or ONNX Runtime.
    Those compile at the first plan, and plan alike, not to the bit.
    text_encoder: for a planner whose sentence encoder is not installed with the package: a folder of that, or a file of
    its vectors (motion.text).
    """

    device: str = "cpu"
    threads: int = 1
    steps: int | None = None
    dtype: str = "float32"
    warm_start: float | None = None
    engine: str = "eager"
    text_encoder: str | Path | None = None

    def __post_init__(self) -> None:
        if self.warm_start is not None and not 0 < self.warm_start <= 1:
            raise ValueError(f"warm_start is a flow time above 0 and at most 1, got {self.warm_start}")
        if self.threads < 1 or (self.steps is not None and self.steps < 1):
            raise ValueError(f"threads and steps are at least 1, got {self.threads} and {self.steps}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {' or '.join(DTYPES)}, got '{self.dtype}'")
        if self.engine not in ENGINES:
            raise ValueError(f"engine is one of {', '.join(ENGINES)}, got '{self.engine}'")
        if self.engine == "onnx" and (self.device, self.dtype) != ("cpu", "float32"):
            raise ValueError(f"engine=onnx computes float32 on the CPU, not {self.dtype} on {self.device}")


@dataclass(frozen=True)
class PlannerSpec:
    """name: for people. plan: what it makes. views: whose images it looks at, image_size pixels a side."""

    name: str
    plan: PlanSpec
    views: tuple[str, ...]
    image_size: int = IMAGE_SIZE


@dataclass(frozen=True)
class PolicySpec:
    """name: for people. chunk: control steps of actions at a time. plan: what it takes; None: it needs no plan.

    views: whose images it looks at at every plan, image_size pixels a side; empty: none. proprio: how many numbers of
    proprioception it reads. encodes: whether it takes plans of tracks alone besides its latents, for which it looks at
    the images of all of the robot's views.
    """

    name: str
    chunk: int
    plan: PlanSpec | None
    views: tuple[str, ...] = ()
    image_size: int = IMAGE_SIZE
    proprio: int = 0
    encodes: bool = False

    def misfit(self, plan: PlanSpec | None) -> str | None:
        """Why it can't act on plans like this one; None if it can. A policy that needs no plan leaves any unread."""
        wanted = self.plan
        if wanted is None:
            return None
        if plan is None:
            return "this policy acts on a plan, and there is none"
        if self.must_encode(plan):
            wanted = track_spec(wanted.shape[0], wanted.horizon, wanted.period_ns)
        problem = wanted.misfit(plan)
        return problem and f"plans that this policy can't act on: {problem}"

    def must_encode(self, plan: PlanSpec | None) -> bool:
        """Whether plans like this one are tracks that it makes latents first."""
        return self.encodes and plan is not None and plan.kind == "tracks"


class Planner(Protocol):
    """Turns what is seen and what is wanted into a plan of motion."""

    spec: PlannerSpec

    def reset(self) -> None:
        """Forget the episode."""
        ...

    def observe(self, observation: Observation) -> None:
        """See an observation that is not planned for; for those that keep state."""
        ...

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """`samples` futures from the observation on. The same observation, goal and seed give the same plan."""
        ...


@runtime_checkable
class Locating(Protocol):
    """A planner that says where in the images it takes a goal to be."""

    def places(self, observation: Observation, goal: Goal) -> np.ndarray:
        """[V, K, 2], (y, x) in [-1, 1]; NaN where it is not sure of one; K may be 0."""
        ...


@runtime_checkable
class Visible(Protocol):
    """A planner whose plans can be drawn."""

    def show(self, plan: MotionPlan, observation: Observation, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tracks [V, Q, T, 2] of queries [V, Q, 2] in the first future, and places [V, K, 2] that the goal is about
        (NaN where it is not sure of one; K may be 0). All (y, x) in [-1, 1].
        """
        ...


class Policy(Protocol):
    """Turns a plan and what is seen into actions."""

    spec: PolicySpec

    def reset(self) -> None:
        """Forget the episode."""
        ...

    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        """Actions float64 [chunk, 7] in [-1, 1] for the control steps from the observation on."""
        ...


@dataclass(frozen=True)
class Demonstration:
    """An episode as a reader gives it, T control steps. images: {view: uint8 RGB [R, H, W, 3]}, upright, of the steps
    image_steps [R]. proprio float32 [T, n], actions float64 [T, 7]; observation k is what action k was chosen at.
    """

    name: str
    instruction: str
    images: dict[str, np.ndarray]
    image_steps: np.ndarray
    proprio: np.ndarray
    actions: np.ndarray
    attributes: dict[str, Any]


class Reader(Protocol):
    """One format of demonstrations."""

    def episodes(self, folder: Path) -> Iterator[Demonstration]:
        """Every episode below a folder, in a fixed order. Raises ValueError for files that break the format."""
        ...


class Tracker(Protocol):
    """Follows points through frames."""

    def track(self, frames: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """frames uint8 [T, H, W, 3], queries [N, 2] in the first of them -> tracks float32 [N, T, 2], visible bool
        [N, T]. Points are (y, x) in [-1, 1].
        """
        ...
