"""Track autoencoder: sparse point tracks <-> a small grid of latents (paper section 3).

Points are (y, x) in [-1, 1], each axis on its own. One view at a time.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from zipmo_ros.motion.image_encoder import make_image_encoder
from zipmo_ros.motion.rope import grid_positions
from zipmo_ros.motion.zipmo.config import VaeConfig
from zipmo_ros.motion.zipmo.posterior import Posterior
from zipmo_ros.motion.zipmo.track_decoder import TrackDecoder
from zipmo_ros.motion.zipmo.track_encoder import TrackEncoder


class TrackVAE(nn.Module):
    kind = "vae"
    config_class = VaeConfig

    def __init__(self, config: VaeConfig):
        super().__init__()
        self.config = config
        self.encoder = TrackEncoder(config)
        self.decoder = TrackDecoder(config)
        needs_image = config.image_context or config.point_features
        self.image_encoder = make_image_encoder(config.image) if needs_image else None
        # Statistics are data, not weights: they live in the checkpoint's stats.json.
        self.register_buffer("latent_mean", torch.tensor([config.latent_mean], dtype=torch.float64), persistent=False)
        self.register_buffer("latent_std", torch.tensor([config.latent_std], dtype=torch.float64), persistent=False)

    def image_tokens(self, image: Tensor) -> Tensor | None:
        """image [B, H, W, 3] uint8 or [-1, 1] -> [B, S, Di]; None if this autoencoder looks at no image."""
        return None if self.image_encoder is None else self.image_encoder(image[:, None])

    def encode(
        self,
        tracks: Tensor,
        image: Tensor | None = None,
        *,
        image_tokens: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Posterior:
        """tracks [B, N, T, 2], their start frame (or its tokens) -> posterior over latents [B, HW, C], not normalised.

        valid [B, N] bool marks tracks that count; the others have no influence. Raises ValueError on a wrong T.
        """
        config = self.config
        if tracks.ndim != 4 or tracks.shape[-1] != 2:
            raise ValueError(f"tracks must be [B, N, T, 2] of (y, x), got {tuple(tracks.shape)}")
        if tracks.shape[2] % config.samples_per_token or (
            config.samples_per_token > 1 and tracks.shape[2] != config.clip_samples
        ):
            wanted = f"{config.clip_samples} samples, {config.samples_per_token} a token"
            raise ValueError(f"this autoencoder takes tracks of {wanted}; got {tracks.shape[2]}")
        return self.encoder(tracks, self._tokens(image, image_tokens), valid)

    def decode(
        self,
        latents: Tensor,
        queries: Tensor,
        image: Tensor | None = None,
        *,
        image_tokens: Tensor | None = None,
        steps: int | None = None,
    ) -> Tensor:
        """latents [B, HW, C] (not normalised), queries [B, N, 2] (y, x) at the start -> tracks [B, N, steps, 2].

        steps: samples over the clip; clip_samples by default.
        """
        steps = self.config.clip_samples if steps is None else steps
        return self.decoder(latents, queries, self._tokens(image, image_tokens), steps)

    def decode_dense(
        self, latents: Tensor, image: Tensor, grid: int = 64, chunk: int = 8, steps: int | None = None
    ) -> Tensor:
        """One latent [1, HW, C] on a grid of query points -> [1, grid, grid, steps, 2].

        Queries that see each other were trained few at a time: strided sub-grids of chunk x chunk are decoded apart
        (as in the reference).
        """
        stride = grid // chunk
        points = rearrange(grid_positions(grid).to(latents), "(h i w j) c -> (i j) (h w) c", h=chunk, w=chunk, i=stride)
        parts = stride**2
        tokens = self.image_tokens(image)
        tokens = None if tokens is None else tokens.expand(parts, -1, -1)
        tracks = self.decode(latents.expand(parts, -1, -1), points, image_tokens=tokens, steps=steps)
        return rearrange(tracks, "(i j) (h w) t c -> 1 (h i) (w j) t c", i=stride, h=chunk)

    def forward(
        self, tracks: Tensor, queries: Tensor, image: Tensor, noise: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Posterior]:
        """Training pass: encode, sample with `noise` (None: the mean), decode `queries` over the tracks' own T."""
        tokens = self.image_tokens(image)
        posterior = self.encode(tracks, image_tokens=tokens, valid=valid)
        latents = posterior.mean if noise is None else posterior.sample(noise)
        return self.decode(latents, queries, image_tokens=tokens, steps=tracks.shape[2]), posterior

    def normalise(self, latents: Tensor) -> Tensor:
        """Latents of the encoder -> latents of the planner, about unit variance (0.5 in the reference)."""
        return ((latents.double() - self.latent_mean) / self.latent_std).to(latents.dtype)

    def denormalise(self, latents: Tensor) -> Tensor:
        """Inverse of `normalise`."""
        return (latents.double() * self.latent_std + self.latent_mean).to(latents.dtype)

    def statistics(self) -> dict[str, list[float]]:
        return {"latent_mean": self.latent_mean.tolist(), "latent_std": self.latent_std.tolist()}

    def set_statistics(self, latent_mean: Tensor | list[float], latent_std: Tensor | list[float]) -> None:
        """One value, or one a channel. Raises ValueError on other lengths and on deviations that are not positive."""
        mean, std = (
            torch.as_tensor(v, dtype=torch.float64, device=self.latent_mean.device).reshape(-1)
            for v in (latent_mean, latent_std)
        )
        if len(mean) not in (1, self.config.latent_channels) or len(std) != len(mean):
            raise ValueError(
                f"latent statistics need 1 or {self.config.latent_channels} values, got {len(mean)} and {len(std)}"
            )
        if not (std > 0).all() or not torch.isfinite(mean).all():
            raise ValueError(f"latent statistics must be finite with positive deviations, got {mean}, {std}")
        self.latent_mean, self.latent_std = mean, std

    def _tokens(self, image: Tensor | None, image_tokens: Tensor | None) -> Tensor | None:
        if image_tokens is not None or self.image_encoder is None:
            return image_tokens
        if image is None:
            raise ValueError("this autoencoder looks at the start frame: pass image [B, H, W, 3] or its image_tokens")
        return self.image_tokens(image)
