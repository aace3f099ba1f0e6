"""Training the policy head: latents and proprioception to actions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zipmo_policy.head import HeadConfig, PolicyHead, base, nano
from zipmo_policy.stages.actions import action_errors, noisy_proprio
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.losses import discounted_bc_loss
from zipmo_ros.motion.text import embed_for
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.training.latents import cached, draw_row, sample_plans
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import Stage, common, model_config, options
from zipmo_ros.training.stages.planner import track_latents


@dataclass(frozen=True)
class HeadOptions:
    """See config/hydra/stage/policy.yaml."""

    batch_size: int
    discount: float
    loss: str
    latent_noise: float
    proprio_noise: float
    sampled_fraction: float
    sampled_draws: int
    sampled_steps: int
    point_draws: int
    validation_windows: int


@dataclass(frozen=True)
class HeadBatch:
    """latents [B, L, C] normalised, proprio [B, 9], actions [B, 16, 7]."""

    latents: Tensor
    proprio: Tensor
    actions: Tensor


class HeadStage(Stage):
    builds_on = ("vae", "planner", "init")
    headline = ("l1", "xyz_l1", "gripper", "gripper_first", "plan_l1", "plan_xyz_l1", "plan_gripper_first")

    def __init__(
        self, windows, model: PolicyHead, latents: Tensor, plans: Tensor | None, options: HeadOptions, **common
    ) -> None:
        """latents, plans: [W, draws, L, C], of the true tracks and of the planner (or None)."""
        super().__init__(windows, **common)
        self.options, self.latents, self.plans = options, latents, plans
        self.model = model.to(self.device)
        mean, self.proprio_std = windows.proprio_statistics(self.training)
        self.model.set_statistics(mean, self.proprio_std)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> HeadStage:
        chosen: HeadOptions = options(HeadOptions, request)
        config: HeadConfig = model_config({"nano": nano, "base": base}, request, "policy")
        _, latents = track_latents(request.vae, windows, request.cache, chosen.point_draws)
        plans = None
        if request.planner:
            plans = planned_latents(request.planner, windows, request.cache, chosen.sampled_draws, chosen.sampled_steps)
        elif chosen.sampled_fraction:
            raise ValueError("stage.sampled_fraction needs planner=DIR")
        return cls(windows, PolicyHead(config), latents, plans, chosen, **common(request)).start_from(request.init)

    def collate(self, indices: Tensor, generator: torch.Generator) -> HeadBatch:
        options, count = self.options, len(indices)
        latents = draw_row(self.latents, indices, generator)
        strength = options.latent_noise * torch.rand(count, 1, 1, generator=generator)
        latents = latents + strength * torch.randn(latents.shape, generator=generator)
        if options.sampled_fraction:
            sampled = torch.rand(count, generator=generator) < options.sampled_fraction
            latents = torch.where(sampled[:, None, None], draw_row(self.plans, indices, generator), latents)
        proprio = noisy_proprio(self.windows.proprio[indices], self.proprio_std, options.proprio_noise, generator)
        return self.batch(indices, latents, proprio)

    def batch(self, indices: Tensor, latents: Tensor, proprio: Tensor) -> HeadBatch:
        return HeadBatch(*(part.to(self.device) for part in (latents, proprio, self.windows.actions[indices])))

    def loss(self, model: nn.Module, batch: HeadBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        predicted = model(batch.latents, batch.proprio).float()
        return discounted_bc_loss(predicted, batch.actions, self.options.discount, self.options.loss), {}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors of actions from the true tracks' latents, and (plan_*) from the planner's."""
        indices = self.validation_indices(self.options.validation_windows)
        target = self.windows.actions[indices].to(self.device)
        metrics = {}
        for prefix, latents in (("", self.latents), ("plan_", self.plans)):
            if latents is not None:
                parts = [
                    model(latents[chosen, 0].float().to(self.device), self.windows.proprio[chosen].to(self.device))
                    for chosen in indices.split(256)
                ]
                errors = action_errors(torch.cat(parts), target)
                metrics |= {prefix + name: float(value) for name, value in errors.items()}
        return metrics


def planned_latents(planner_dir: Path | str, windows, cache: Path | str | None, draws: int, steps: int) -> Tensor:
    """Plans of the trained planner for all windows [W, draws, L, C]."""
    planner = checkpoint.load(planner_dir, MotionPlanner)
    text = embed_for(planner.config.text, list(windows.sentences))
    name = f"plans-{checkpoint.content_hash(planner_dir)[:12]}-{windows.data_hash[:12]}-{draws}x{steps}"
    return cached(cache, name, lambda: sample_plans(planner, windows, text, draws, steps, seed=0))
