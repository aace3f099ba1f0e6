"""Training losses. All return scalars; weights that belong to a recipe are arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from einops import repeat
from torch import Tensor

from zipmo_ros.motion.flow import interpolate
from zipmo_ros.motion.zipmo.posterior import Posterior

KL_WEIGHT = 1e-7  # the reference's


def vae_loss(
    predicted: Tensor, target: Tensor, posterior: Posterior, kl_weight: float = KL_WEIGHT
) -> tuple[Tensor, Tensor, Tensor]:
    """(total, reconstruction, kl); the reconstruction is the mean absolute error of tracks [B, N, T, 2]."""
    reconstruction, kl = (predicted - target).abs().mean(), posterior.kl()
    return reconstruction + kl_weight * kl, reconstruction, kl


def flow_matching_error(velocity: Callable[[Tensor, Tensor], Tensor], data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Squared error of noise - data, a mean a sample: [B * draws].

    data [B, L, C]; noise [B * draws, L, C] and t [B * draws], window-major, may hold several draws of each window.
    velocity(z_t, t) -> [B * draws, L, C].
    """
    data = repeat(data, "b l c -> (b draws) l c", draws=len(noise) // len(data))
    predicted = velocity(interpolate(data, noise, t), t)
    return (noise - data - predicted).square().mean(dim=(1, 2))


def flow_matching_loss(velocity: Callable[[Tensor, Tensor], Tensor], data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    return flow_matching_error(velocity, data, noise, t).mean()


def discounted_bc_loss(
    predicted: Tensor, target: Tensor, discount: float = 0.99, kind: Literal["squared", "absolute"] = "squared"
) -> Tensor:
    """Mean over [B, steps, 7] of discount^k times the error of step k; "squared" is the reference's."""
    if kind not in ("squared", "absolute"):
        raise ValueError(f"kind must be 'squared' or 'absolute', got '{kind}'")
    error = predicted - target
    error = error.square() if kind == "squared" else error.abs()
    weight = discount ** torch.arange(predicted.shape[1], device=predicted.device, dtype=predicted.dtype)
    return (weight[:, None] * error).mean()
