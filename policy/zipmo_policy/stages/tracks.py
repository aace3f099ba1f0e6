"""Training the policy of tracks: true future tracks of some points, and proprioception, to actions.

It is to serve any planner of tracks, so how many points there are, and how they are chosen, varies from sample to
sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from zipmo_policy.stages.actions import action_errors, noisy_proprio
from zipmo_policy.track_head import TrackPolicy, base, nano
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.arfm.queries import draw_points, movement
from zipmo_ros.motion.losses import discounted_bc_loss
from zipmo_ros.training.points import taken
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import Stage, common, model_config, options


@dataclass(frozen=True)
class TrackPolicyOptions:
    """See config/hydra/stage/track_policy.yaml."""

    batch_size: int
    discount: float
    loss: Literal["absolute", "squared"]
    points: int
    least_points: int
    by_movement: float
    temperature: float
    track_noise: float
    proprio_noise: float
    validation_windows: int

    def __post_init__(self) -> None:
        if not 1 <= self.least_points <= self.points:
            raise ValueError(f"least_points is from 1 to points, got {self.least_points} and {self.points}")
        if not 0 <= self.by_movement <= 1:
            raise ValueError(f"by_movement is a share, got {self.by_movement}")


def followed(
    windows: DemonstrationWindows,
    indices: Tensor,
    points: int,
    scale: float,
    temperature: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """True tracks [B, V, N, T, 2] of points that are seen at first, drawn by exp(temperature * movement), as ARFM does.

    temperature: [B]. scale: pixels of a unit of coordinates.
    """
    tracks, visible = windows.tracks[indices].float(), windows.visible[indices]
    moved = temperature[:, None, None] * movement(tracks, visible, scale)
    uniform = torch.rand(moved.shape, generator=generator)
    return taken(tracks, draw_points(moved, uniform, points, 1.0, visible[..., 0]))


def drifting(tracks: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """Tracks [B, V, N, T, 2] with normal noise on every step, its deviation uniform up to `noise` in each window."""
    strength = noise * torch.rand(len(tracks), 1, 1, 1, 1, generator=generator)
    steps = strength * torch.randn(*tracks.shape[:3], tracks.shape[3] - 1, 2, generator=generator)
    return torch.cat([tracks[:, :, :, :1], tracks[:, :, :, 1:] + steps.cumsum(dim=3)], dim=3)


@dataclass(frozen=True)
class FollowedBatch:
    """tracks [B, V, N, T, 2], valid [B, V, N] bool, proprio [B, 9], actions [B, 16, 7]."""

    tracks: Tensor
    valid: Tensor
    proprio: Tensor
    actions: Tensor


class TrackPolicyStage(Stage):
    needs_images = False
    headline = ("l1", "xyz_l1", "gripper", "gripper_first")
    model: TrackPolicy

    def __init__(self, windows, model: TrackPolicy, options: TrackPolicyOptions, **common) -> None:
        super().__init__(windows, **common)
        self.options, self.model = options, model.to(self.device)
        mean, self.proprio_std = windows.proprio_statistics(self.training)
        self.model.set_statistics(mean, self.proprio_std)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> Stage:
        config = model_config({"nano": nano, "base": base}, request, "track_policy")
        stage = cls(windows, TrackPolicy(config), options(TrackPolicyOptions, request), **common(request))
        return stage.start_from(request.init)

    def collate(self, indices: Tensor, generator: torch.Generator) -> FollowedBatch:
        options, count = self.options, len(indices)
        by_movement = torch.rand(count, generator=generator) < options.by_movement
        tracks = self.followed(indices, by_movement, generator)
        tracks = drifting(tracks, options.track_noise / self.scale, generator)
        counts = torch.randint(options.least_points, options.points + 1, (count, 1, 1), generator=generator)
        valid = (torch.arange(options.points) < counts).expand(tracks.shape[:3])
        proprio = noisy_proprio(self.windows.proprio[indices], self.proprio_std, options.proprio_noise, generator)
        return self.batch(indices, tracks, valid, proprio)

    @property
    def scale(self) -> float:
        """Pixels of a unit of coordinates."""
        return self.model.config.pixels / 2

    def followed(self, indices: Tensor, by_movement: Tensor, generator: torch.Generator) -> Tensor:
        """True tracks [B, V, N, T, 2] of points that are seen at first, drawn by their movement where `by_movement` [B]
        holds, and of any elsewhere.
        """
        options = self.options
        return followed(
            self.windows, indices, options.points, self.scale, options.temperature * by_movement.float(), generator
        )

    def batch(self, indices: Tensor, tracks: Tensor, valid: Tensor, proprio: Tensor) -> FollowedBatch:
        parts = (tracks, valid, proprio, self.windows.actions[indices])
        return FollowedBatch(*(part.to(self.device) for part in parts))

    def loss(self, model: Any, batch: FollowedBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        predicted = model(batch.tracks, batch.proprio, batch.valid).float()
        return discounted_bc_loss(predicted, batch.actions, self.options.discount, self.options.loss), {}

    def validate(self, model: Any) -> dict[str, float]:
        """Errors of actions from true tracks of all points: drawn by movement, and (uniform_*) any."""
        indices = self.validation_indices(self.options.validation_windows)
        metrics: dict[str, float] = {}
        for prefix, by_movement in (("", True), ("uniform_", False)):
            generator, predicted = torch.Generator().manual_seed(self.seed), []
            for chosen in indices.split(64):
                tracks = self.followed(chosen, torch.full((len(chosen),), by_movement), generator)
                predicted.append(model(tracks.to(self.device), self.windows.proprio[chosen].to(self.device)))
            errors = action_errors(torch.cat(predicted), self.windows.actions[indices].to(self.device))
            metrics |= {prefix + name: float(value) for name, value in errors.items()}
        return metrics
