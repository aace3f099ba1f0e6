"""ATM behind the contract: where the points of a fixed grid go, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON, MotionPlan, track_spec
from zipmo_ros.contract.protocols import Execution, PlannerSpec
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.engines import check_eager
from zipmo_ros.motion.looking import Looking
from zipmo_ros.motion.pointer import Pointing, understood
from zipmo_ros.motion.text import embed_goal

SPANS = ((0.05, 0.85), (0.15, 0.95))  # of the two grids, in [0, 1] of the frame (published)


def double_grid(side: int) -> np.ndarray:
    """float32 [2 * side^2, 2], (y, x) in [-1, 1]: two grids of side x side points, one beside the other."""
    axes = [np.linspace(first, last, side, dtype=np.float32) for first, last in SPANS]
    grids = [np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2) for axis in axes]
    return 2 * np.concatenate(grids) - 1


class AtmPlanner(Looking):
    """A Planner (contract.protocols) whose plans are tracks of a fixed grid. There is one future: several are the same.

    It keeps no state. Raises ValueError for another number of views than `views`, and for what it has not: steps of a
    sampler, and a start from the last plan.
    """

    def __init__(self, network: TrackTransformer, views: Sequence[str], period_ns: int, execution: Execution):
        config = network.config
        if len(views) != config.views:
            raise ValueError(f"this planner looks at {config.views} views, the robot has {', '.join(views)}")
        if execution.steps is not None or execution.warm_start is not None:
            raise ValueError("ATM draws nothing: it has no steps of a sampler (nfe) and no warm_start")
        check_eager(execution, "ATM")
        self.network = network.eval()
        self._understood_at = config.image.understood_at if config.image else 0.0
        self._dtype = getattr(torch, execution.dtype)
        self._points = np.stack([double_grid(config.grid)] * config.views)
        self.spec = PlannerSpec("atm", track_spec(config.views, HORIZON, period_ns), tuple(views))

    @classmethod
    def load(cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "planner") -> AtmPlanner:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) for what does not fit."""
        network = checkpoint.load(Path(bundle) / part, TrackTransformer, execution.device)
        return cls(network, robot.views, robot.period_ns, execution)

    def reset(self) -> None:
        """Nothing is kept."""

    def observe(self, observation: Observation) -> None:
        """Nothing is kept."""

    @torch.no_grad()
    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """Tracks of the one future, `samples` times; the seed is not read."""
        images, text = self._tensor(observation.stacked(self.spec.views))[None], self._text(goal)
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            tracks, pointing = self.network.foresee(images, text, self._tensor(self._points)[None])
        futures = np.repeat(tracks.float().cpu().numpy(), samples, axis=0)
        plan = MotionPlan.of_tracks(observation.stamp_ns, goal, futures, self.spec.plan.period_ns)
        return replace(plan, understood=understood(pointing, self._understood_at))

    def _look(self, observation: Observation, goal: Goal) -> Pointing | None:
        images = self._tensor(observation.stacked(self.spec.views))[None]
        return self.network.look(images, self._text(goal))[1]

    def _text(self, goal: Goal) -> Tensor:
        return embed_goal(self.network.config.text, goal, "this planner").to(self._device)

    @property
    def _device(self) -> torch.device:
        return self.network.hidden_image.device

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
