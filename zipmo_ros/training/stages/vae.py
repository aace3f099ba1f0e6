"""Training the track autoencoder: some points of a view in, other points of the same view out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zipmo_ros.motion.losses import vae_loss
from zipmo_ros.motion.points import take_points
from zipmo_ros.motion.zipmo.config import VaeConfig, vae_base, vae_nano
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.augmentation import random_shift
from zipmo_ros.training.points import TrackErrors, sample_points
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.stage import Stage, common, model_config, options


@dataclass(frozen=True)
class VaeOptions:
    """See config/hydra/stage/vae.yaml."""

    batch_size: int
    points_out: int
    kl_weight: float
    shift: int
    statistics_windows: int
    validation_windows: int


@dataclass(frozen=True)
class ViewBatch:
    """images [B, H, W, 3] uint8; given and asked tracks [B, N, T, 2] float32; moving [B, asked] bool."""

    images: Tensor
    given: Tensor
    asked: Tensor
    moving: Tensor


class VaeStage(Stage):
    """Windows of single views: item 2 w + v is view v of window w."""

    def __init__(self, windows, config: VaeConfig, options: VaeOptions, **common) -> None:
        super().__init__(windows, **common)
        names = ("epe", "epe_moving", "still_epe_moving", "pck4_moving")
        self.headline = tuple(f"{view}_{name}" for view in windows.views for name in names)
        self.options = options
        self.model = TrackVAE(config).to(self.device)
        self.views = windows.images.shape[1]
        self.batches = self.make_batches(options.batch_size, self.collate, self.items(self.training))

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> VaeStage:
        config = model_config({"nano": vae_nano, "base": vae_base}, request, "vae")
        stage = cls(windows, config, options(VaeOptions, request), **common(request))
        return stage.start_from(request.init)

    def items(self, indices: Tensor) -> Tensor:
        """Windows -> items, both views."""
        return (indices[:, None] * self.views + torch.arange(self.views)).flatten()

    def collate(self, items: Tensor, generator: torch.Generator, shift: int | None = None) -> ViewBatch:
        options, config, window, view = self.options, self.model.config, items // self.views, items % self.views
        moving = self.windows.moving[window, view]
        points = sample_points(moving, config.points_in + options.points_out, config.moving_weight, generator)
        # The order within the sample is by key, so the first points are not a random half: mix them.
        points = points[:, torch.randperm(points.shape[1], generator=generator)]
        tracks = take_points(self.windows.tracks[window, view], points).float()
        images = self.windows.images[window, view]
        shift = options.shift if shift is None else shift
        if shift:
            shifted, offsets = random_shift(images[:, None], shift, generator)
            images, tracks = shifted[:, 0], tracks + offsets[:, :, None]
        given, asked = tracks.split([config.points_in, options.points_out], dim=1)
        batch = ViewBatch(images, given, asked, take_points(moving, points[:, config.points_in :]))
        return ViewBatch(**{name: value.to(self.device) for name, value in vars(batch).items()})

    def loss(self, model: nn.Module, batch: ViewBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        shape = (len(batch.images), model.config.latent_tokens, model.config.latent_channels)
        noise = torch.randn(shape, generator=generator, device=generator.device)
        predicted, posterior = model(batch.given, batch.asked[:, :, 0], batch.images, noise)
        total, reconstruction, kl = vae_loss(predicted.float(), batch.asked, posterior, self.options.kl_weight)
        return total, {"reconstruction": reconstruction, "kl": kl}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors at held-out points in pixels, for each view."""
        errors, generator = TrackErrors(), torch.Generator().manual_seed(self.seed)
        indices = self.validation_indices(self.options.validation_windows)
        for view, name in enumerate(self.windows.views):
            for chosen in (indices * self.views + view).split(64):
                batch = self.collate(chosen, generator, shift=0)
                predicted, _ = model(batch.given, batch.asked[:, :, 0], batch.images)
                errors.add(predicted, batch.asked, batch.moving, prefix=f"{name}_")
        return errors.means()

    def save(self, model: nn.Module, directory: Path, meta: dict) -> None:
        """The checkpoint's statistics are those of the encoded training windows, per channel."""
        model.set_statistics(*self.latent_statistics(model))
        super().save(model, directory, meta)

    @torch.no_grad()
    def latent_statistics(self, model: TrackVAE) -> tuple[Tensor, Tensor]:
        """Mean and deviation [C] of the posterior means over evenly spread training windows."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        items = self.items(self.training)
        stride = max(1, len(items) // self.options.statistics_windows)
        means = []
        for chosen in items[::stride].split(64):
            batch = self.collate(chosen, generator, shift=0)
            means.append(model.encode(batch.given, batch.images).mean.flatten(0, 1))
        latents = torch.cat(means).double()
        return latents.mean(0), latents.std(0).clamp_min(1e-4)
