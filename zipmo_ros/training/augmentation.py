"""Augmentation of a batch of images on the CPU or the GPU, drawn from an explicit generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor


@dataclass(frozen=True)
class AugmentConfig:
    """shift: pixels, uniform in [-shift, shift] per axis and view. brightness, contrast, saturation: half widths
    about 0 / 1 / 1.
    """

    shift: int
    brightness: float
    contrast: float
    saturation: float

    def __post_init__(self) -> None:
        if min(self.shift, self.brightness, self.contrast, self.saturation) < 0:
            raise ValueError(f"augmentation strengths must not be negative: {self}")


def random_shift(images: Tensor, pixels: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shift whole images and repeat their borders.

    Args:
        images: [B, V, H, W, 3], any dtype.
        pixels: largest shift per axis.

    Returns: the shifted images, and the shifts [B, V, 2] as (y, x) in units of [-1, 1]: add them to points of the
    same image.
    """
    batch, views, height, width = images.shape[:4]
    if pixels == 0:
        return images, torch.zeros(batch, views, 2, device=images.device)
    shifts = torch.randint(-pixels, pixels + 1, (batch * views, 2), generator=generator, device=generator.device)
    shifted = torch.empty_like(images)
    rows, columns = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    sources, targets = rearrange(images, "b v h w c -> (b v) h w c"), rearrange(shifted, "b v h w c -> (b v) h w c")
    for source, target, (down, right) in zip(sources, targets, shifts.tolist(), strict=True):
        moved = source.index_select(0, (rows - down).clamp_(0, height - 1))
        torch.index_select(moved, 1, (columns - right).clamp_(0, width - 1), out=target)
    scale = torch.tensor([2.0 / height, 2.0 / width], device=images.device)
    return shifted, rearrange(shifts.to(images.device) * scale, "(b v) c -> b v c", v=views)


def colour_jitter(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """uint8 [B, V, H, W, 3] -> float32 in [-1, 1], with brightness, contrast (about mid grey) and saturation drawn
    per image.
    """

    def draw(half_width: float) -> Tensor:
        uniform = torch.rand(images.shape[0], images.shape[1], 1, generator=generator, device=generator.device)
        return ((uniform * 2.0 - 1.0) * half_width).to(images.device)

    brightness = draw(config.brightness)
    contrast = 1.0 + draw(config.contrast)
    saturation = 1.0 + draw(config.saturation)
    grey = torch.tensor([0.299, 0.587, 0.114], device=images.device)
    values = images.float().mul_(1.0 / 127.5).sub_(1.0)
    luma = torch.einsum("b v h w c, c -> b v h w", values, grey)
    values.mul_((contrast * saturation)[..., None, None])
    values.add_((luma * (contrast * (1.0 - saturation))[..., None] + brightness[..., None])[..., None])
    return values.clamp_(-1.0, 1.0)


def augment(images: Tensor, config: AugmentConfig | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """uint8 [B, V, H, W, 3] -> float32 in [-1, 1] and the shifts [B, V, 2] (y, x). `config` None changes nothing but
    the type.
    """
    if config is None:
        shifts = torch.zeros(*images.shape[:2], 2, device=images.device)
        return images.float().mul_(1.0 / 127.5).sub_(1.0), shifts
    shifted, shifts = random_shift(images, config.shift, generator)
    return colour_jitter(shifted, config, generator), shifts
