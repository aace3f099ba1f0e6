"""Targets of the planner and inputs of the head, computed once: encoded tracks and sampled plans.

They are kept on disk under names that say what they were computed from.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch
from einops import rearrange, repeat
from safetensors.torch import load_file, save_file
from torch import Tensor

from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.motion.flow import euler
from zipmo_ros.motion.points import take_points
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.points import sample_points

logger = logging.getLogger(__name__)
BATCH = 64


def cached(folder: Path | str | None, name: str, compute: Callable[[], Tensor]) -> Tensor:
    """`compute()`, or what it gave before under this name. `folder` None keeps nothing."""
    if folder is None:
        return compute()
    path = Path(folder) / f"{name}.safetensors"
    if path.exists():
        logger.info("taking %s", path)
        return load_file(path)["values"]
    logger.info("computing %s", path)
    values = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file({"values": values.contiguous()}, partial)
    os.replace(partial, path)
    return values


@torch.no_grad()
def encode_tracks(vae: TrackVAE, windows: DemonstrationWindows, rows: slice, draws: int, seed: int) -> Tensor:
    """Normalised posterior means of some windows, from `draws` random choices of points: float16 [W, draws, V * HW,
    C].
    """
    generator = torch.Generator().manual_seed(seed)
    device, latents = vae.latent_mean.device, []
    count, weight = vae.config.points_in, vae.config.moving_weight
    for chosen in torch.arange(rows.start, rows.stop).split(BATCH):
        tracks = rearrange(windows.tracks[chosen], "b v p t c -> (b v) p t c")
        moving = rearrange(windows.moving[chosen], "b v p -> (b v) p")
        tokens = vae.image_tokens(rearrange(windows.images[chosen], "b v h w c -> (b v) h w c").to(device))
        rows = []
        for _ in range(draws):
            given = take_points(tracks, sample_points(moving, count, weight, generator)).float().to(device)
            rows.append(vae.normalise(vae.encode(given, image_tokens=tokens).mean))
        latents.append(rearrange(torch.stack(rows), "d (b v) l c -> b d (v l) c", b=len(chosen)).half().cpu())
    return torch.cat(latents)


@torch.no_grad()
def sample_plans(
    planner: MotionPlanner, windows: DemonstrationWindows, text: Tensor, draws: int, steps: int, seed: int
) -> Tensor:
    """Plans of every window from `draws` noises: float16 [W, draws, L, C], normalised latents."""
    generator, plans = torch.Generator().manual_seed(seed), []
    for chosen in torch.arange(len(windows)).split(BATCH):
        images, told = windows.images[chosen], text[windows.sentence[chosen]]
        plans.append(draw_plans(planner, images, told, draws, steps, generator).half().cpu())
    return torch.cat(plans)


@torch.no_grad()
def draw_plans(
    planner: MotionPlanner, images: Tensor, text: Tensor, draws: int, steps: int, generator: torch.Generator
) -> Tensor:
    """Normalised latents [B, draws, L, C] for images [B, V, H, W, 3] and as many sentences, on the planner's device."""
    device = planner.latent_pos.device
    conditioning = planner.condition(images.to(device), text.to(device))
    shape = (len(images) * draws, planner.config.latent_tokens, planner.config.latent_channels)
    noise = torch.randn(shape, generator=generator).to(device)
    z = euler(lambda z, t: planner.velocity(z, torch.full((len(z),), t, device=device), conditioning), noise, steps)
    return rearrange(z, "(b d) l c -> b d l c", d=draws)


def draw_row(values: Tensor, indices: Tensor, generator: torch.Generator) -> Tensor:
    """values [W, R, ...] -> one random row of each chosen window, float32 [B, ...]."""
    rows = torch.randint(values.shape[1], (len(indices),), generator=generator)
    return values[indices, rows].float()


def per_draw(values: Tensor, draws: int) -> Tensor:
    """[B, ...] -> [B * draws, ...], window-major."""
    return repeat(values, "b ... -> (b draws) ...", draws=draws)
