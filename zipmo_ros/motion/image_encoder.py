"""The image encoder that a configuration asks for."""

from __future__ import annotations

from torch import nn

from zipmo_ros.motion.config import ImageEncoderConfig
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.dinov2 import DinoV2


def make_image_encoder(config: ImageEncoderConfig) -> nn.Module:
    """Module with forward(images [B, V, H, W, 3], text [B, D] or None) -> tokens [B, V * grid^2, width].

    Its look(...) gives the tokens and where it points (a Pointing; None if it points at nothing).
    """
    return DinoV2(config) if config.kind == "dinov2" else ConvEncoder(config)
