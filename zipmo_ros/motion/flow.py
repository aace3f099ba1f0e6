"""The flow's path, its solver, guidance, and where the noise comes from. Nothing here knows a network.

t = 1 is noise and t = 0 is data: z_t = (1 - t) * data + t * noise, the velocity is noise - data, and a step is
z <- z - v / steps (the paper writes time the other way round).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]


def interpolate(data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Point of the straight path; t [B] in [0, 1]."""
    t = t.reshape(-1, *[1] * (data.ndim - 1))
    return (1 - t) * data + t * noise


def schedule(steps: int, start: float = 1.0) -> list[float]:
    """Times at which Euler evaluates the velocity: start * (1, 1 - 1/S, ..., 1/S)."""
    if steps < 1:
        raise ValueError(f"a plan takes at least one step, got {steps}")
    return [start * (1 - i / steps) for i in range(steps)]


def euler(velocity: Velocity, z: Tensor, steps: int, start: float = 1.0) -> Tensor:
    """Integrate from time `start` (1: z is noise) to data (t = 0). velocity(z, t) -> like z."""
    for t in schedule(steps, start):
        z = z - velocity(z, t) * start / steps
    return z


def guided(conditional: Velocity, unconditional: Velocity, scale: float) -> Velocity:
    """Classifier-free guidance u + scale * (c - u); up to scale 1 the conditional field itself."""
    if scale <= 1:
        return conditional

    def velocity(z: Tensor, t: float) -> Tensor:
        u = unconditional(z, t)
        return u + scale * (conditional(z, t) - u)

    return velocity


def logit_normal_times(
    batch: int,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    mean: float = 0.0,
    std: float = 1.0,
) -> Tensor:
    """Training times [B]: sigmoid of a normal, the standard normal in the reference. A positive mean: more noise."""
    return (mean + std * torch.randn(batch, generator=generator, device=device)).sigmoid()


def plan_noise(seed: int, stamp_ns: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float32 noise of the plan made for the observation stamped `stamp_ns`.

    Philox keyed by (seed, stamp): it depends on nothing else, so every way of running an episode draws the same noise.
    """
    if seed < 0 or stamp_ns < 0:
        raise ValueError(f"seed and stamp must not be negative, got {seed} and {stamp_ns}")
    key = np.array([seed, stamp_ns], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape, dtype=np.float32)
