"""What the two stages that predict actions share: proprioception with noise, the loss, and errors of chunks."""

from __future__ import annotations

import torch
from torch import Tensor

FIRST_MOTION, FIRST_GRIPPER = 8, 4


def noisy_proprio(proprio: Tensor, std: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Add normal noise of `strength` times the training data's deviation per channel."""
    if not strength:
        return proprio
    return proprio + strength * std * torch.randn(proprio.shape, generator=generator)


def action_errors(predicted: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Chunks [B, 16, 7] -> l1 (all), xyz_l1 (translation, first 8 steps), gripper (share of right signs),
    gripper_first (first 4 steps).
    """
    error = (predicted.float().clamp(-1, 1) - target).abs()
    right = ((predicted[..., 6] > 0) == (target[..., 6] > 0)).float()
    return {
        "l1": error.mean(),
        "xyz_l1": error[:, :FIRST_MOTION, :3].mean(),
        "gripper": right.mean(),
        "gripper_first": right[:, :FIRST_GRIPPER].mean(),
    }
