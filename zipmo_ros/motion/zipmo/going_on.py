"""How the last plan goes on: decoded, shifted in time, and encoded from what is seen now.

So a plan can be denoised from close to it, in place of all from noise: ARFM's partial denoising, for latents. It is not
in the reference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.stamps import nearest_step
from zipmo_ros.motion.points import draw_moving, take_points
from zipmo_ros.motion.zipmo.vae import TrackVAE

CANDIDATES = 4  # points that are decoded for each one that is encoded
MOVED = 1 / 32  # of coordinates: two pixels of the frame that the models look at


class MadePlan(NamedTuple):
    """What is kept of a plan: latents [V, HW, C], normalised, made from images [V, H, W, 3]."""

    goal: Goal
    stamp_ns: int
    images: Tensor
    latents: Tensor


class GoingOn:
    """Keeps the newest plan. Nothing of it goes on for another goal, for a stamp from before, or past its end."""

    def __init__(self, vae: TrackVAE, period_ns: int):
        self._vae, self._period_ns = vae, period_ns
        self.reset()

    def reset(self) -> None:
        """Forget the plan."""
        self._made: MadePlan | None = None
        self._before: MadePlan | None = None  # the newest of another stamp: asked again, a plan goes on from the same

    def made(self, plan: MadePlan) -> None:
        """Keep a plan."""
        if self._made is not None and self._made.stamp_ns != plan.stamp_ns:
            self._before = self._made
        self._made = plan

    def latents(self, goal: Goal, stamp_ns: int, images: Tensor) -> Tensor | None:
        """Normalised latents [V, HW, C] of what is left of the plan at the images [V, H, W, 3] of `stamp_ns`, its end
        as its last step; None where nothing goes on.
        """
        plan = self._made
        if plan is not None and plan.stamp_ns == stamp_ns:
            plan = self._before
        if plan is None or plan.goal != goal or stamp_ns < plan.stamp_ns:
            return None
        steps = nearest_step(stamp_ns - plan.stamp_ns, self._period_ns)
        if steps >= HORIZON:
            return None
        tracks = self._chosen(plan, steps, np.random.default_rng(stamp_ns))
        last = (tracks[:, :, -1] - tracks[:, :, -2])[:, :, None]
        more = tracks[:, :, -1:] + last * torch.arange(1, steps + 1, device=tracks.device)[:, None]
        ahead = torch.cat([tracks[:, :, steps:], more], dim=2)
        return self._vae.normalise(self._vae.encode(ahead, images).mean)

    def _chosen(self, plan: MadePlan, steps: int, rng: np.random.Generator) -> Tensor:
        """Tracks [V, N, T, 2] of points that are in the frame `steps` later, drawn as the autoencoder is given them."""
        config, latents = self._vae.config, plan.latents
        shape = (len(latents), CANDIDATES * config.points_in, 2)
        starts = torch.from_numpy(rng.uniform(-1, 1, shape).astype(np.float32)).to(latents.device)
        tracks = self._vae.decode(self._vae.denormalise(latents), starts, plan.images, steps=HORIZON)
        moving = (tracks - tracks[:, :, :1]).norm(dim=-1).amax(-1) > MOVED
        uniform = torch.from_numpy(rng.random(moving.shape, np.float32)).to(latents.device)
        inside = (tracks[:, :, steps].abs() <= 1).all(-1)
        return take_points(tracks, draw_moving(moving, uniform, config.points_in, config.moving_weight, inside))
