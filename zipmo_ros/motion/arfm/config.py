"""Frozen configuration of ARFM, and its sizes. The paper's settings are the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.motion.config import (
    ImageEncoderConfig,
    TextConfig,
    check_places,
    check_width,
    image_nano,
    require,
    text_nano,
)


@dataclass(frozen=True)
class EditConfig:
    """How a plan is taken along to what was seen since (see sampling.forecast).

    rule:     "replace": the followed points take the place of the planned ones, and the next planned positions stay
              (paper); "translate": they move along.
    start:    flow time from which planned shifts are denoised again; the paper's t_e is 1 - start.
    steps:    evaluations for that.
    by_error: start and steps grow with how far the followed points are from the planned ones (see sampling.strength).
    """

    rule: Literal["replace", "translate"] = "replace"
    start: float = 0.2
    steps: int = 4
    by_error: bool = False

    def __post_init__(self):
        require(self.rule in ("replace", "translate"), f"rule must be 'replace' or 'translate', got '{self.rule}'")
        require(0 < self.start <= 1 and self.steps >= 1, f"start is in (0, 1], steps at least 1: {self}")


@dataclass(frozen=True)
class ArfmConfig:
    """Feature fusion, flow head, and what they look at.

    image, text: the image encoder, and the sentence's vector or tokens; None, None: SAM2-tiny and both branches of
                 CLIP-B/32.
    width, depth, hidden: of the fusion, which attends along time and over sites by turns, and of its gated MLPs.
    head_depth, time_width: layers of the head; features of the flow time.
    global_grid: image tokens a side and view that join the points as sites.
    places:      points say where in the frame they are, and the head is told where the image encoder points for the
                 sentence (paper: neither; absolute positions overfit).
    views, points: of a plan; N points in each view, drawn from `candidates` by how much they are expected to move.
    context:     steps at a time that are fused; a plan takes HORIZON - 1 of them, the past what is left.
    pixels:      a side of the frame in whose pixels shifts are counted: what unit noise is measured against.
    previous_shift: the head is given each point's last shift (paper; the release leaves it out).
    preconditioned: the head adds to the velocity that the noisy shift alone lets expect (paper: it says all of it),
                 see MotionPredictor.velocity.
    objective:   "flow", or "regression" of the shift (the paper's ablation): no noise, one evaluation, one future.
    temperature: points are drawn by exp(temperature * expected movement), see queries.py.
    steps, guidance, edit: of a plan, unless asked otherwise.
    """

    image: ImageEncoderConfig | None = None
    text: TextConfig | None = None
    width: int = 768
    depth: int = 12
    hidden: int = 2046
    head_depth: int = 6
    time_width: int = 256
    global_grid: int = 7
    places: bool = False
    views: int = 1
    points: int = 100
    candidates: int = 1000
    context: int = 50
    pixels: int = 256
    previous_shift: bool = True
    preconditioned: bool = False
    objective: Literal["flow", "regression"] = "flow"
    temperature: float = 0.5
    steps: int = 16
    guidance: float = 1.0
    edit: EditConfig = EditConfig()

    def __post_init__(self):
        check_width("ARFM width", self.width)
        require(
            (self.image is None) == (self.text is None), "image and text are both given, or both left to SAM2 and CLIP"
        )
        require(
            not (self.text and self.image and self.image.text)
            or bool(self.text.tokens) == bool(self.image.text.tokens),
            "ARFM and its image encoder read a sentence's tokens both, or neither",
        )
        require(self.image is None or self.image.kind == "conv", "ARFM looks at the maps of a conv image encoder")
        require(
            self.image is None or self.image.views == self.views, f"an image encoder of {self.views} views is needed"
        )
        require(
            self.image is None or self.image.grid % self.global_grid == 0,
            f"global_grid {self.global_grid} does not divide the image encoder's grid",
        )
        check_places(self.places, self.image)
        require(self.depth >= 2 and self.head_depth >= 1, f"too few layers: {self.depth} and {self.head_depth}")
        require(self.time_width % 2 == 0, f"time_width must be even, got {self.time_width}")
        require(min(self.views, self.points, self.steps) >= 1, "views, points and steps must be positive")
        require(self.candidates >= self.points, f"{self.points} points can't be drawn from {self.candidates}")
        require(self.context >= HORIZON - 1, f"context must hold the {HORIZON - 1} steps of a plan, got {self.context}")
        require(self.objective in ("flow", "regression"), f"unknown objective '{self.objective}'")

    @property
    def scale(self) -> float:
        """Pixels of a unit of coordinates."""
        return self.pixels / 2


def arfm_paper() -> ArfmConfig:
    return ArfmConfig()


def arfm_nano(views: int = 2) -> ArfmConfig:
    """What two CPU cores train: the planner's own image encoder, both views at once, no past.

    Noise is as large as a usual shift at 20 Hz (4 pixels of a frame of 256): with less, the noisy shift itself tells
    where it goes at most flow times, and images and sentence are hardly learned.
    """
    return ArfmConfig(
        image=image_nano(views),
        text=text_nano(),
        width=128,
        depth=4,
        hidden=384,
        head_depth=2,
        global_grid=4,
        places=True,
        views=views,
        points=24,
        candidates=80,  # as many as a window of a demonstration has that were drawn uniformly
        context=HORIZON - 1,
        pixels=64,
        preconditioned=True,
        temperature=8.0,  # as 0.5 for a frame of 256
        steps=8,
        edit=EditConfig(rule="translate"),
    )
