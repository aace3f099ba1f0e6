"""DINOv2 with registers: a vision transformer with the state-dict names of the official weights (as in the reference).

Own code rather than `transformers`': the names then need no table, and nothing but torch is needed to load a
checkpoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.config import HEAD_WIDTH, ImageEncoderConfig
from zipmo_ros.motion.images import to_signed, to_square

TRAINED_GRID = 37  # position embeddings are stored for 518 / 14 patches a side
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch: int):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        return rearrange(self.proj(images), "b d h w -> b (h w) d")


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = rearrange(self.qkv(x), "b l (three heads d) -> three b heads l d", three=3, d=HEAD_WIDTH)
        return self.proj(rearrange(F.scaled_dot_product_attention(q, k, v), "b heads l d -> b l (heads d)"))


class Mlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)
        self.ls2 = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class DinoV2(nn.Module):
    def __init__(self, config: ImageEncoderConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, TRAINED_GRID**2 + 1, width))
        self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of the pre-training; unused
        self.patch_embed = PatchEmbedding(width, config.stride)
        self.blocks = nn.ModuleList(Block(width) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def look(self, images: Tensor, text: Tensor | None = None) -> tuple[Tensor, None]:
        """As `forward`; it points at nothing."""
        return self(images, text), None

    def forward(self, images: Tensor, _text: Tensor | None = None) -> Tensor:
        """images [B, V, H, W, 3] uint8 or [-1, 1] -> final patch tokens [B, V * grid^2, width], views outer."""
        views = images.shape[1]
        x = self.patch_embed(self.preprocess(rearrange(images, "b v h w c -> (b v) h w c")))
        x = torch.cat([repeat(self.cls_token, "1 1 d -> b 1 d", b=len(x)), x], dim=1) + self.positions()
        registers = repeat(self.register_tokens, "1 n d -> b n d", b=len(x))
        x = torch.cat([x[:, :1], registers, x[:, 1:]], dim=1)
        for block in self.blocks:
            x = block(x)
        return rearrange(self.norm(x)[:, 1 + registers.shape[1] :], "(b v) l d -> b (v l) d", v=views)

    def preprocess(self, images: Tensor) -> Tensor:
        x = to_square(to_signed(images).clamp(-1, 1), self.config.image_size)
        mean, std = (x.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
        return ((x + 1) / 2 - mean) / std

    def positions(self) -> Tensor:
        patches = rearrange(self.pos_embed[:, 1:], "1 (h w) d -> 1 d h w", h=TRAINED_GRID)
        size = (self.config.grid, self.config.grid)
        patches = F.interpolate(patches, size=size, mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([self.pos_embed[:, :1], rearrange(patches, "1 d h w -> 1 (h w) d")], dim=1)
