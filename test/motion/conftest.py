"""Small models that still have every part of the nano and of the reference variants."""

import dataclasses

import pytest
import torch

from zipmo_ros.motion.config import ImageEncoderConfig, TextConfig
from zipmo_ros.motion.zipmo.config import PlannerConfig, PokeConfig, VaeConfig, planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

DINO = ImageEncoderConfig(width=64, depth=1, image_size=56)
CONV = ImageEncoderConfig(kind="conv", width=16, depth=1, image_size=32, channels=(8, 16))
TEXT = TextConfig("minilm", 384, 8.0)
CONV_VIEWS = ImageEncoderConfig(kind="conv", width=64, depth=1, image_size=32, channels=(8, 64), views=2, text=TEXT)

VAES = {
    "reference": VaeConfig(width=64, encoder_depth=1, decoder_depth=1, latent_grid=2, clip_samples=8, image=DINO),
    "nano": dataclasses.replace(
        vae_nano(), width=64, encoder_depth=1, decoder_depth=1, query_depth=1, latent_grid=2, image=CONV
    ),
}
SMALL = {"width": 64, "depth": 2, "time_width": 32, "mapping_depth": 1, "mapping_hidden": 64, "latent_grid": 2}
PLANNERS = {
    "sparse": PlannerConfig(**SMALL, pokes=PokeConfig(4), image=DINO),
    "libero": PlannerConfig(
        **SMALL,
        views=2,
        text=TextConfig(width=384),
        text_depth=1,
        image_time=-1.0,
        self_rope="3d_40",
        cross_rope=None,
        image=DINO,
    ),
    "nano": dataclasses.replace(planner_nano(), **SMALL, image=CONV_VIEWS),
}


def awaken(model):
    """Give the zero-initialised weights values, else an untrained model ignores most of its inputs."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.5 * parameter.shape[-1] ** -0.5)
    return model.eval()


@pytest.fixture(params=VAES)
def vae(request):
    torch.manual_seed(0)
    return awaken(TrackVAE(VAES[request.param]))


@pytest.fixture(params=PLANNERS)
def planner(request):
    torch.manual_seed(0)
    return awaken(MotionPlanner(PLANNERS[request.param]))


@pytest.fixture
def inputs(planner):
    """Keyword arguments of `condition` for a batch of three."""
    config, generator = planner.config, torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (3, config.views, 48, 48, 3), dtype=torch.uint8, generator=generator)
    if config.text:
        return {"images": images, "text": torch.randn(3, config.text.width, generator=generator) / 20}
    return {"images": images, "pokes": torch.rand(3, 3, 5, generator=generator)}
