"""Frozen configurations of autoencoder and planner, and their sizes. The reference's settings are the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.config import ImageEncoderConfig, TextConfig, check_width, image_nano, require, text_nano


@dataclass(frozen=True)
class VaeConfig:
    """Track autoencoder.

    samples_per_token: time samples that share one token; 1 in the reference, `clip_samples` makes one token a track.
    queries:       "joint": query tokens join the latents' self-attention and see each other (reference);
                   "cross": they only look at the latents, through `query_depth` layers, so a query's answer does not
                   depend on the rest.
    displacement:  predict the offset from the query point instead of the absolute position (reference: absolute).
    image_context: cross-attend to the start frame's tokens (reference).
    point_features: bilinear sample of these tokens at each point.
    latent_mean, latent_std: initial statistics of the latents; a trained VAE replaces them (`set_statistics`).
    points_in, moving_weight: tracks of a view that it is given, and how many times as likely as a resting one a
                   moving one is drawn. Training draws them so, and whoever encodes tracks has to.
    """

    width: int = 768
    encoder_depth: int = 12
    decoder_depth: int = 12
    query_depth: int = 0
    ff_ratio: int = 3
    point_mlp_depth: int = 2
    latent_channels: int = 16
    latent_grid: int = 16
    clip_samples: int = 64
    samples_per_token: int = 1
    queries: Literal["joint", "cross"] = "joint"
    displacement: bool = False
    image_context: bool = True
    point_features: bool = False
    latent_mean: float = -0.175
    latent_std: float = (11.6 / 0.5) ** 0.5
    points_in: int = 40
    moving_weight: float = 1.0
    image: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)

    def __post_init__(self):
        check_width("VAE width", self.width)
        require(self.queries in ("joint", "cross"), f"queries must be 'joint' or 'cross', got '{self.queries}'")
        require(
            self.samples_per_token >= 1 and self.clip_samples % self.samples_per_token == 0,
            f"clip_samples {self.clip_samples} is not a multiple of samples_per_token {self.samples_per_token}",
        )
        require(self.queries == "joint" or self.query_depth > 0, "queries='cross' needs query_depth > 0")
        require(self.latent_std > 0, f"latent_std must be positive, got {self.latent_std}")
        require(
            self.points_in >= 1 and self.moving_weight > 0,
            f"points_in and moving_weight must be positive, got {self.points_in} and {self.moving_weight}",
        )

    @property
    def latent_tokens(self) -> int:
        return self.latent_grid**2


@dataclass(frozen=True)
class PokeConfig:
    """At most `slots` pokes; fewer are padded with zero tokens (sparse planner) or refused (`pad=False`, dense)."""

    slots: int = 16
    pad: bool = True


@dataclass(frozen=True)
class PlannerConfig:
    """Flow-matching planner in the latent space of the VAE.

    pokes, text:  what the cross-attention context holds (exactly one of the two in the reference).
                  A text whose tokens are read gives all of them; the first one stands for the vector.
    text_depth:   layers of the text transformer, which runs at the context's width (= image token width).
    step_token:   append a token of the episode step (TraMoE variant).
    image_mode:   "joint": image tokens join the latents' self-attention (reference);
                  "cross": latent tokens cross-attend to them, so their keys and values are computed once a plan.
    image_time:   time coordinate of the image tokens (0 for pokes, -1 for text, in the reference).
    self_rope, cross_rope: "3d_40", "3d_10" or, for cross only, None.
    norm_by_text: adaptive norms see the sentence as well as the flow time (reference: time only).
    carries_poke_embedding: the released text planners hold an unused poke embedding; with it they load strictly.
    steps:        Euler steps a plan takes unless asked otherwise.
    """

    width: int = 1024
    depth: int = 24
    ff_ratio: int = 3
    time_width: int = 256
    mapping_depth: int = 2
    mapping_hidden: int = 768
    latent_channels: int = 16
    latent_grid: int = 16
    views: int = 1
    pokes: PokeConfig | None = None
    text: TextConfig | None = None
    text_depth: int = 6
    step_token: bool = False
    image_mode: Literal["joint", "cross"] = "joint"
    image_time: float = 0.0
    self_rope: str = "3d_10"
    cross_rope: str | None = "3d_10"
    norm_by_text: bool = False
    carries_poke_embedding: bool = False
    steps: int = 50
    image: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)

    def __post_init__(self):
        check_width("planner width", self.width)
        require(self.time_width % 2 == 0, f"time_width must be even, got {self.time_width}")
        require(
            self.image_mode in ("joint", "cross"), f"image_mode must be 'joint' or 'cross', got '{self.image_mode}'"
        )
        require(
            (self.pokes is None) != (self.text is None),
            "a planner is conditioned by pokes or by text: give one of the two",
        )
        require(
            self.views >= 1 and self.steps >= 1, f"views and steps must be positive, got {self.views} and {self.steps}"
        )
        require(
            self.text is not None or not (self.step_token or self.norm_by_text), "step_token and norm_by_text need text"
        )
        require(
            not (self.text and self.text.tokens) or not (self.step_token or self.text_depth),
            "a planner that reads a sentence's tokens has neither step_token nor text_depth",
        )
        require(
            not (self.text and self.image.text) or bool(self.text.tokens) == bool(self.image.text.tokens),
            "planner and image encoder read a sentence's tokens both, or neither",
        )

    @property
    def latent_tokens(self) -> int:
        """Latent tokens of all views."""
        return self.views * self.latent_grid**2

    @property
    def context_width(self) -> int:
        return self.image.width


def vae_nano() -> VaeConfig:
    """Autoencoder that two CPU cores train in minutes: one token a track, 4x4x16 latents a view."""
    return VaeConfig(
        width=128,
        encoder_depth=3,
        decoder_depth=2,
        query_depth=2,
        ff_ratio=2,
        point_mlp_depth=1,
        latent_grid=4,
        clip_samples=HORIZON,
        samples_per_token=HORIZON,
        queries="cross",
        displacement=True,
        image_context=False,
        point_features=True,
        latent_mean=0.0,
        latent_std=1.0,
        points_in=40,
        moving_weight=7.0,
        image=ImageEncoderConfig(kind="conv", width=64, depth=1, image_size=IMAGE_SIZE, channels=(32, 64)),
    )


def planner_nano(views: int = 2) -> PlannerConfig:
    return PlannerConfig(
        width=128,
        depth=4,
        ff_ratio=2,
        time_width=128,
        mapping_depth=1,
        mapping_hidden=256,
        latent_grid=4,
        views=views,
        text=text_nano(),
        text_depth=0,
        image_mode="cross",
        image_time=-1.0,
        norm_by_text=True,
        steps=4,
        image=image_nano(views),
    )


def vae_base() -> VaeConfig:
    return VaeConfig()


def planner_base_sparse() -> PlannerConfig:
    return PlannerConfig(pokes=PokeConfig(16, pad=True))


def planner_base_dense() -> PlannerConfig:
    return PlannerConfig(pokes=PokeConfig(40, pad=False))


def planner_base_libero(step_token: bool = False) -> PlannerConfig:
    """Text planner over two views; with `step_token` the TraMoE variant, without it the ATM variant."""
    return PlannerConfig(
        views=2,
        text=TextConfig(),
        step_token=step_token,
        image_time=-1.0,
        self_rope="3d_40",
        cross_rope=None,
        carries_poke_embedding=True,
        steps=10,
    )
