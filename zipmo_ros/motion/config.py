"""Frozen configurations of what models share; one schema for code, checkpoints and command line.

A configuration holds what changes the weights or their meaning. The reference's settings are the defaults wherever the
reference has the option at all; everything that `nano` does differently is a field.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from zipmo_ros.contract.camera import IMAGE_SIZE

HEAD_WIDTH = 64


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def check_width(name: str, width: int) -> None:
    require(width > 0 and width % HEAD_WIDTH == 0, f"{name} must be a positive multiple of {HEAD_WIDTH}, got {width}")


SENTENCE_WIDTHS = {"minilm": 384, "bert-base-cased": 768}
SENTENCE_DEPTHS = {"minilm": 6, "bert-base-cased": 12}
LATER = {"later": True}  # of a field that came after checkpoints without it were written: those have its default


@dataclass(frozen=True)
class TokenConfig:
    """How a sentence's tokens are read: a small transformer over them, learned with the model. Not in the reference.

    layers: of the sentence encoder, whose states of a token are read side by side; none: the last one's. The last was
            trained to be averaged over a sentence, those below it hold more of the single word.
    dropout, word_dropout: probabilities, in training, of losing a number of a token, and of losing a whole one.
    """

    width: int = 128
    depth: int = 2
    layers: tuple[int, ...] = field(default=(), metadata=LATER)
    dropout: float = field(default=0.0, metadata=LATER)
    word_dropout: float = field(default=0.0, metadata=LATER)

    def __post_init__(self):
        for name in ("dropout", "word_dropout"):
            require(0 <= getattr(self, name) < 1, f"{name} is a probability below 1, got {getattr(self, name)}")
        check_width("token width", self.width)
        require(self.depth >= 1, f"tokens are read by at least one layer, got {self.depth}")


@dataclass(frozen=True)
class TextConfig:
    """A sentence as one vector, or as its tokens.

    scale: enlarges unit vectors, which are tiny inputs to a linear layer. standardised: subtract the mean and divide by
    the deviation of the training sentences first (reference: no). Sentences about one scene have cosines of 0.97 and
    more; what tells them apart is what differs. tokens: read those in place of the vector, which is then not looked at
    (reference: the vector alone); None: the vector.
    """

    encoder: Literal["bert-base-cased", "minilm"] = "bert-base-cased"
    width: int = 768
    scale: float = 1.0
    standardised: bool = False
    tokens: TokenConfig | None = field(default=None, metadata=LATER)

    def __post_init__(self):
        require(self.encoder in ("bert-base-cased", "minilm"), f"unknown text encoder '{self.encoder}'")
        require(self.width > 0, f"text width must be positive, got {self.width}")
        if self.tokens and self.tokens.layers:
            layers, depth = self.tokens.layers, SENTENCE_DEPTHS[self.encoder]
            told = len(layers) * SENTENCE_WIDTHS[self.encoder]
            require(
                self.width == told, f"{self.encoder}'s layers {layers} have a text width of {told}, not {self.width}"
            )
            wrong = [layer for layer in layers if not 0 <= layer <= depth]
            require(not wrong, f"{self.encoder} has layers 0 (of words alone) to {depth}, not {wrong}")
        require(not (self.tokens and self.standardised), "vectors are standardised, tokens are not")

    @property
    def read_width(self) -> int:
        """Of the vector that the networks get."""
        return self.width if self.tokens is None else self.tokens.width


@dataclass(frozen=True)
class ImageEncoderConfig:
    """Image -> grid x grid tokens of `width`.

    dinov2: ViT with `depth` blocks, patches of 14, `registers`; views share it.
    conv:   stem of stride 4 per view, one stride-2 stage per further entry of `channels`, `depth` residual blocks at
            the last resolution, modulated by the sentence's vector if `text` gives one; trained here. Its tokens are
            marked at `landmarks` places a view that it points at (see Pointer), by the sentence's tokens if those are
            read. understanding: it says whether it understood the sentence (see Understanding), for which it reads
            tokens and points; understood_at: least logit at which it did.
    """

    kind: Literal["dinov2", "conv"] = "dinov2"
    width: int = 768
    depth: int = 12
    image_size: int = 224
    registers: int = 4
    channels: tuple[int, ...] = ()
    views: int = 1
    text: TextConfig | None = None
    landmarks: int = 0
    understanding: bool = field(default=False, metadata=LATER)
    understood_at: float = field(default=0.0, metadata=LATER)

    def __post_init__(self):
        require(
            not self.understanding or bool(self.text and self.text.tokens and self.landmarks),
            "what says whether it understood a sentence reads its tokens and points",
        )
        require(self.kind in ("dinov2", "conv"), f"unknown image encoder '{self.kind}'")
        if self.kind == "dinov2":
            check_width("image encoder width", self.width)
            require(self.image_size % 14 == 0, f"dinov2 needs an image size divisible by 14, got {self.image_size}")
            require(self.text is None and not self.landmarks, "dinov2 takes no text and points at nothing")
        else:
            require(len(self.channels) > 0, "a conv image encoder needs channels")
            require(
                self.channels[-1] == self.width,
                f"the last of channels {self.channels} must be the token width {self.width}",
            )
            require(
                self.image_size % self.stride == 0,
                f"image size {self.image_size} is not divisible by the encoder's stride {self.stride}",
            )

    @property
    def stride(self) -> int:
        return 14 if self.kind == "dinov2" else 2 ** (len(self.channels) + 1)

    @property
    def grid(self) -> int:
        """Tokens per side."""
        return self.image_size // self.stride

    @property
    def told_width(self) -> int:
        """Of what `Pointing.told` says: of each landmark in each view how sure it is, and (y, x)."""
        return 3 * self.views * self.landmarks


def check_places(places: bool, image: ImageEncoderConfig | None) -> None:
    """Raise ValueError where a network is to be told what an image encoder points at, and none does."""
    points = image is not None and image.landmarks > 0
    require(points or not places, "places are those that an image encoder with landmarks points at")


def text_nano() -> TextConfig:
    return TextConfig(encoder="minilm", width=384, scale=0.5, standardised=True)


def image_nano(views: int = 2) -> ImageEncoderConfig:
    """Conv encoder of the planner and of behaviour cloning: 8x8 tokens of 128 a view, modulated by the sentence.

    It points at two places: at what to take, and at where that is to go.
    """
    return ImageEncoderConfig(
        kind="conv",
        width=128,
        depth=3,
        image_size=IMAGE_SIZE,
        channels=(32, 64, 128),
        views=views,
        text=text_nano(),
        landmarks=2,
    )


def to_dict(config: Any) -> dict:
    """Plain, JSON-ready dictionary of a configuration (tuples become lists)."""
    plain = dataclasses.asdict(config)

    def lists(value):
        if isinstance(value, dict):
            return {key: lists(item) for key, item in value.items()}
        return [lists(item) for item in value] if isinstance(value, (list, tuple)) else value

    return lists(plain)


def from_dict(config_class: type, plain: dict) -> Any:
    """Inverse of `to_dict`. Raises ValueError naming the keys that are unknown, or absent: of those that came later
    alone a default is taken.
    """
    hints = typing.get_type_hints(config_class)
    if unknown := sorted(set(plain) - set(hints)):
        raise ValueError(f"{config_class.__name__} has no field {', '.join(unknown)}; it has {', '.join(hints)}")
    added = {field.name for field in dataclasses.fields(config_class) if field.metadata.get("later")}
    if absent := [name for name in hints if name not in plain and name not in added]:
        raise ValueError(f"{config_class.__name__} lacks {', '.join(absent)}")
    return config_class(**{name: _from_plain(hints[name], value) for name, value in plain.items()})


def _from_plain(hint: Any, value: Any) -> Any:
    nested = [option for option in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(option)]
    if nested and isinstance(value, dict):
        return from_dict(nested[0], value)
    return tuple(value) if isinstance(value, list) else value
