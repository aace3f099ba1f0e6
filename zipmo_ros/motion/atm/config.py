"""Frozen configuration of ATM's track transformer, and its sizes. The published settings are the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.config import (
    LATER,
    ImageEncoderConfig,
    TextConfig,
    check_places,
    image_nano,
    require,
    text_nano,
)


def check_image(image: ImageEncoderConfig | None, text: TextConfig, size: int, patch: int, views: int) -> None:
    """Raise ValueError where the image can't be cut into such patches, or an image encoder gives others."""
    require(size % patch == 0, f"patch {patch} does not divide image_size {size}")
    if image is not None:
        given, wanted = (image.kind, image.views, image.image_size, image.grid), ("conv", views, size, size // patch)
        require(
            given == wanted, f"a conv encoder of {views} views, {size} px and {size // patch} tokens a side is needed"
        )
        read = image.text is None or bool(image.text.tokens) == bool(text.tokens)
        require(read, "model and image encoder read a sentence's tokens both, or neither")


@dataclass(frozen=True)
class AtmConfig:
    """A transformer over the tokens of an image, of tracks and of a sentence.

    image: an image encoder whose tokens are read; None: patches of the image itself (published).
    text:  the sentence's vector, or its tokens, of which the whole is read.
    width, depth, heads, dropout: of the transformer.
    image_size, patch: pixels a side of the frame, and of what an image token stands for.
    samples_per_token: samples of a track that share one token.
    offset: it predicts how far a point goes from where it starts, in these shares of a frame's side; None: where it is
        (published).
    places: it is told where its image encoder points for the sentence (published: there is none).
    views: of a plan. grid: it follows two grids of grid x grid points in each view, see adapter.py.
    """

    image: ImageEncoderConfig | None = None
    text: TextConfig = field(default_factory=TextConfig)
    width: int = 384
    depth: int = 8
    heads: int = 8
    dropout: float = 0.2
    image_size: int = IMAGE_SIZE
    patch: int = 16
    samples_per_token: int = 4
    offset: float | None = field(default=None, metadata=LATER)
    places: bool = field(default=False, metadata=LATER)
    views: int = 2
    grid: int = 4

    def __post_init__(self):
        require(self.width > 0 and self.width % self.heads == 0, f"{self.heads} heads do not divide width {self.width}")
        require(0 <= self.dropout < 1, f"dropout is a probability, got {self.dropout}")
        check_image(self.image, self.text, self.image_size, self.patch, self.views)
        require(
            HORIZON % self.samples_per_token == 0, f"samples_per_token {self.samples_per_token} does not divide a track"
        )
        check_places(self.places, self.image)
        require(self.offset is None or self.offset > 0, f"offset must be positive, or null, got {self.offset}")
        require(min(self.depth, self.views, self.grid) >= 1, "depth, views and grid must be positive")

    @property
    def patches(self) -> int:
        """Image tokens a side."""
        return self.image_size // self.patch

    @property
    def points(self) -> int:
        """Of a view's plan."""
        return 2 * self.grid**2

    @property
    def track_tokens(self) -> int:
        """Of a track."""
        return HORIZON // self.samples_per_token


def atm_published() -> AtmConfig:
    return AtmConfig()


def atm_nano(views: int = 2) -> AtmConfig:
    """What two CPU cores train, with the planner's own image encoder."""
    return AtmConfig(
        image=image_nano(views),
        text=text_nano(),
        width=128,
        depth=6,
        heads=2,
        dropout=0.0,
        offset=1 / 16,
        places=True,
        views=views,
    )
