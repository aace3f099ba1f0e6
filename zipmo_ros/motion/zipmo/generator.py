"""Frames and a sentence -> a motion embedding -> point tracks: autoencoder and planner behind numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.flow import Velocity, euler, schedule
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.zipmo.planner import Conditioning, MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE


def planned_velocity(planner: MotionPlanner, conditioning: Conditioning, steps: int) -> Velocity:
    """The planner's velocity on a fixed schedule: adaptive norms of all steps are computed at once, ahead."""
    times = schedule(steps)
    gains = dict(zip(times, planner.scheduled_gains(times, conditioning), strict=True))
    return lambda z, t: planner.velocity(z, t, conditioning, gains[t])


class MotionGenerator:
    def __init__(self, vae: TrackVAE, planner: MotionPlanner):
        """Raises ValueError if the two were not made for each other."""
        ours = (vae.config.latent_grid, vae.config.latent_channels)
        theirs = (planner.config.latent_grid, planner.config.latent_channels)
        if ours != theirs:
            raise ValueError(f"autoencoder and planner disagree on the latent's (grid, channels): {ours} and {theirs}")
        self.vae, self.planner = vae.eval(), planner.eval()

    @classmethod
    def load(cls, bundle: str | Path, device: str = "cpu") -> MotionGenerator:
        """From BUNDLE/vae and BUNDLE/planner."""
        bundle = Path(bundle)
        return cls(
            checkpoint.load(bundle / "vae", TrackVAE, device),
            checkpoint.load(bundle / "planner", MotionPlanner, device),
        )

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """(views, H, W, channels)."""
        config = self.planner.config
        return (config.views, config.latent_grid, config.latent_grid, config.latent_channels)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """(latent tokens, channels)."""
        return (self.planner.config.latent_tokens, self.planner.config.latent_channels)

    @property
    def device(self) -> torch.device:
        return self.planner.latent_pos.device

    def embed(self, instruction: str) -> Tensor:
        """The sentence's vector [1, D]; computed once a sentence. Raises ValueError if it is empty."""
        if self.planner.config.text is None:
            raise ValueError("this planner is conditioned by pokes, not by a sentence")
        return embed_sentences([instruction], self.planner.config.text.encoder).to(self.device)

    @torch.no_grad()
    def plan(
        self, images: np.ndarray, instruction: str, noise: np.ndarray | np.random.Generator, steps: int | None = None
    ) -> np.ndarray:
        """images uint8 [V, H, W, 3] -> normalised motion embedding float32 [V, H, W, C].

        noise: standard normal [L, C] (`flow.plan_noise`), or a generator to draw it from. steps: Euler steps, the
        planner's own by default.
        """
        if isinstance(noise, np.random.Generator):
            noise = noise.standard_normal(self.noise_shape, dtype=np.float32)
        if noise.size != np.prod(self.noise_shape):
            raise ValueError(f"noise must have shape {self.noise_shape}, got {noise.shape}")
        steps = self.planner.config.steps if steps is None else steps
        conditioning = self.planner.condition(self._tensor(images)[None], self.embed(instruction))
        start = self._tensor(noise).float().reshape(1, *self.noise_shape)
        z = euler(planned_velocity(self.planner, conditioning, steps), start, steps)
        return z.reshape(self.latent_shape).cpu().numpy()

    @torch.no_grad()
    def point(self, images: np.ndarray, instruction: str, least: float = 0.5) -> np.ndarray:
        """Where the image encoder sees what the sentence names, (y, x) in [-1, 1]: float32 [V, K, 2].

        K is 2 for a nano, what to take and where to put it; 0 for an encoder that doesn't point. images: uint8
        [V, H, W, 3]. Places of which it is less sure than `least` are NaN.
        """
        _, pointing = self.planner.image_encoder.look(self._tensor(images)[None], self.embed(instruction))
        if pointing is None:
            return np.empty((len(images), 0, 2), np.float32)
        sure = pointing.confidence() >= least
        return torch.where(sure[..., None], pointing.best(), torch.nan)[0].cpu().numpy()

    @torch.no_grad()
    def decode(self, z: np.ndarray, images: np.ndarray, queries: np.ndarray, steps: int | None = None) -> np.ndarray:
        """Embedding [V, H, W, C], its start frames [V, H, W, 3], queries [V, Q, 2] (y, x) -> tracks [V, Q, T, 2]."""
        if z.shape != self.latent_shape:
            raise ValueError(f"embedding must have shape {self.latent_shape}, got {z.shape}")
        latents = self.vae.denormalise(rearrange(self._tensor(z).float(), "v h w c -> v (h w) c"))
        return self.vae.decode(latents, self._tensor(queries).float(), self._tensor(images), steps=steps).cpu().numpy()

    @torch.no_grad()
    def encode(self, tracks: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Tracks [V, N, T, 2] and their start frames [V, H, W, 3] -> normalised embedding [V, H, W, C]."""
        mean = self.vae.encode(self._tensor(tracks).float(), self._tensor(images)).mean
        return self.vae.normalise(mean).reshape(self.latent_shape).cpu().numpy()

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
