"""Augmentation of a batch of images on the CPU or the GPU, drawn from an explicit generator."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

CACHED = 8  # samples at a time, which a CPU's cache holds: 1.5 times as fast as all of a batch of 48


@dataclass(frozen=True)
class AugmentConfig:
    """shift: pixels, uniform in [-shift, shift] per axis and view. brightness, contrast, saturation: half widths
    about 0 / 1 / 1.

    Of light, one draw for all views of a sample, on values in [0, 1]: gain, gamma: half widths in octaves of a factor
    and of an exponent. cast: half width in octaves of a factor of each channel, their mean being 1.
    Of the sensor, for each image: noise, blur: largest standard deviation, in values of [0, 1] and in pixels.
    """

    shift: int
    brightness: float
    contrast: float
    saturation: float
    gain: float
    gamma: float
    cast: float
    noise: float
    blur: float

    def __post_init__(self) -> None:
        if min(dataclasses.astuple(self)) < 0:
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


def relight(values: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Images [B, V, H, W, 3] in [-1, 1] under another light, the same one in all views of a sample."""

    def octaves(half_width: float, channels: int = 1) -> Tensor:
        uniform = torch.rand(len(values), 1, 1, 1, channels, generator=generator, device=generator.device)
        return ((uniform * 2.0 - 1.0) * half_width).to(values.device)

    if not (config.gain or config.gamma or config.cast):
        return values
    factor = octaves(config.gain).exp2()
    exponent = octaves(config.gamma).exp2()
    cast = octaves(config.cast, 3).exp2()
    lit = ((values + 1.0) / 2.0).pow(exponent) * (factor * cast / cast.mean(-1, keepdim=True))
    return lit.clamp_(0.0, 1.0) * 2.0 - 1.0


def blur(values: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    """Images [B, V, H, W, 3], each blurred by a Gaussian of its own standard deviation, uniform in [0, largest] px."""
    if not largest:
        return values
    count, radius = values.shape[0] * values.shape[1], math.ceil(3 * largest)
    sigma = torch.rand(count, 1, generator=generator, device=generator.device).to(values.device) * largest
    offsets = torch.arange(-radius, radius + 1, device=values.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]
    planes = F.pad(rearrange(values, "b v h w c -> 1 (b v c) h w"), [radius] * 4, mode="replicate")
    across = F.conv2d(planes, kernel[:, :, None], groups=len(kernel))
    both = F.conv2d(across, kernel[..., None], groups=len(kernel))
    return rearrange(both, "1 (b v c) h w -> b v h w c", b=values.shape[0], c=3)


def add_noise(values: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    """Images [B, V, H, W, 3] in [-1, 1] with noise of a standard deviation of each image's own, uniform in
    [0, 2 largest].
    """
    if not largest:
        return values
    deviation = torch.rand(*values.shape[:2], 1, 1, 1, generator=generator, device=generator.device) * 2.0 * largest
    noise = torch.randn(values.shape, generator=generator, device=generator.device) * deviation
    return (values + noise.to(values.device)).clamp_(-1.0, 1.0)


def augment(images: Tensor, config: AugmentConfig | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """uint8 [B, V, H, W, 3] -> float32 in [-1, 1] and the shifts [B, V, 2] (y, x). `config` None changes nothing but
    the type.
    """
    if config is None:
        shifts = torch.zeros(*images.shape[:2], 2, device=images.device)
        return images.float().mul_(1.0 / 127.5).sub_(1.0), shifts
    shifted, shifts = random_shift(images, config.shift, generator)
    seen = torch.empty(shifted.shape, device=shifted.device)
    for part, values in zip(shifted.split(CACHED), seen.split(CACHED), strict=True):
        lit = relight(colour_jitter(part, config, generator), config, generator)
        values.copy_(add_noise(blur(lit, config.blur, generator), config.noise, generator))
    return seen, shifts
