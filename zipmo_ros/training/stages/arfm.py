"""Training ARFM: flow matching to the next shift of every visible point, given images, sentence and tracks so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.config import ArfmConfig, arfm_nano
from zipmo_ros.motion.arfm.encoders import OwnEncoders
from zipmo_ros.motion.arfm.predictor import Context, MotionPredictor
from zipmo_ros.motion.arfm.queries import draw_points, movement
from zipmo_ros.motion.arfm.sampling import contexts_of, forecast
from zipmo_ros.motion.flow import interpolate
from zipmo_ros.motion.pointer import Pointing
from zipmo_ros.motion.sentence import set_sentence_statistics
from zipmo_ros.training.augmentation import AugmentConfig, augment
from zipmo_ros.training.points import PlanFigures, taken
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.seen_frames import newest_rows, seen_frames
from zipmo_ros.training.sentences import Sentences
from zipmo_ros.training.stage import Stage, common, model_config, options, sentences
from zipmo_ros.training.stages.encoder import keep_if_asked, load_encoder, seeing_as, start_reading_as, understanding
from zipmo_ros.training.telling import TellingOptions, ToldFrames, tell
from zipmo_ros.training.understanding import Understood

CLOSER = 1e-3  # flow time that the average is ahead of the network, towards the data
VELOCITY_SHARE = 1e-5  # of the velocities in the consistency, beside the data


@dataclass(frozen=True)
class ArfmOptions:
    """See config/hydra/stage/arfm.yaml."""

    batch_size: int
    draws: int
    most_seen: int | None
    fewest_steps: int | None
    past_error: float
    times: Literal["uniform", "cosmap", "noisy"]
    drop_text: float
    augment: AugmentConfig | None
    pointing_weight: float
    telling: TellingOptions
    consistency: float
    validation_windows: int

    def __post_init__(self) -> None:
        if self.times not in TIMES:
            raise ValueError(f"times must be one of {', '.join(TIMES)}, got '{self.times}'")
        if not 0 <= self.drop_text < 1:
            raise ValueError(f"drop_text is a probability, got {self.drop_text}")
        if self.draws < 1 or (self.most_seen is not None and self.most_seen < 1):
            raise ValueError(f"draws and most_seen are at least 1, got {self.draws} and {self.most_seen}")
        if self.fewest_steps is not None and self.fewest_steps < 1:
            raise ValueError(f"fewest_steps is at least 1, got {self.fewest_steps}")
        if self.past_error < 0:
            raise ValueError(f"past_error is a standard deviation, got {self.past_error}")


@dataclass(frozen=True)
class TrackBatch:
    """images [R, V, H, W, 3] of the windows `sample` [R]; frame_of, seen [B, T - 1]: see SeenFrames.

    told: the images, each its window's own sentence first; hidden [B] bool: where that is not said. tracks
    [B, V, Q, T, 2] of points that were drawn uniformly in the first frame, visible bool; moved [B, V, Q]: how much they
    move; bent [B, V, 2, 2]: what is done to shifts of the past. offset [B, T - 1, V, 2]: how the images of the steps
    were shifted.
    """

    images: Tensor
    sample: Tensor
    frame_of: Tensor
    seen: Tensor
    told: ToldFrames
    hidden: Tensor
    tracks: Tensor
    visible: Tensor
    moved: Tensor
    bent: Tensor
    offset: Tensor

    @property
    def past(self) -> Tensor:
        """Where the points are said to have been, all steps but the last [B, V, N, T - 1, 2]."""
        shifts = torch.einsum("bvij,bvntj->bvnti", self.bent, self.tracks[:, :, :, :-1].diff(dim=3))
        return self.tracks[:, :, :, :1] + F.pad(shifts.cumsum(dim=3), (0, 0, 1, 0))

    @property
    def inputs(self) -> Tensor:
        """Where the points are looked up, all steps but the last [B, V, N, T - 1, 2]."""
        return self.past + rearrange(self.offset, "b t v c -> b v 1 t c")


class Shifts(NamedTuple):
    """Of all steps and draws, E = B * (T - 1) * draws sets of P = V * N points: shifts [E, P, 2] in pixels, noise, the
    last shift (0 at first), flow times [E], and which shifts are known [E, P].
    """

    data: Tensor
    noise: Tensor
    previous: Tensor
    t: Tensor
    known: Tensor

    def at(self, t: Tensor) -> Tensor:
        """The noisy shifts at flow times t [E]."""
        return interpolate(self.data, self.noise, t)

    def mean(self, errors: Tensor) -> Tensor:
        """Mean of errors [E, P, 2] over what is known."""
        return (errors.mean(-1) * self.known).sum() / self.known.sum().clamp_min(1)


def cosmap(t: Tensor) -> Tensor:
    """Uniform numbers -> flow times, fewer at both ends (Esser et al. 2024)."""
    return 1 - 1 / (torch.tan(math.pi / 2 * t) + 1)


def bent(windows: int, views: int, error: float, generator: torch.Generator) -> Tensor:
    """Maps of shifts [B, V, 2, 2] that are off as a plan's own are: all that moves in a view goes too far or elsewhere.

    1 + e with normal e, whose deviation is uniform up to `error` in each window.
    """
    most = error * torch.rand(windows, 1, 1, 1, generator=generator)
    return torch.eye(2) + most * torch.randn(windows, views, 2, 2, generator=generator)


TIMES: dict[str, Callable[[Tensor], Tensor]] = {"uniform": lambda t: t, "cosmap": cosmap, "noisy": torch.sqrt}


def consistency(z: Tensor, t: Tensor, v: Tensor, near_z: Tensor, near_t: Tensor, near_v: Tensor) -> Tensor:
    """Squared differences [E, P, 2] of what two networks take for the data, and a little of their velocities.

    At z and time t [E] a velocity noise - data means that the data is z - t v.
    """
    data, near = (at - time[:, None, None] * way for at, time, way in ((z, t, v), (near_z, near_t, near_v)))
    return (data - near).square() + VELOCITY_SHARE * (v - near_v).square()


class ArfmStage(Stage):
    builds_on = ("encoder", "init")
    headline = PlanFigures.headline
    model: MotionPredictor

    def __init__(self, windows, model: MotionPredictor, sentences: Sentences, options: ArfmOptions,
                 understood: Understood | None = None, **common) -> None:  # fmt: skip
        super().__init__(windows, **common)
        self.options, self.sentences, self.model = options, sentences, model.to(self.device)
        self.understood = understood
        self.telling = options.telling if understood else None
        self.steps = windows.tracks.shape[-2]
        self.newest = newest_rows(windows, self.steps - 1)
        self.batches = self.make_batches(options.batch_size, self.collate)

    @classmethod
    def create(cls, windows, request: TrainingRequest) -> ArfmStage:
        stage_options, model = options(ArfmOptions, request), initial_predictor(request)
        if model.config.text is None or not isinstance(model.encoders, OwnEncoders):
            raise ValueError("SAM2 and CLIP are not trained with here: leave model.arfm its image and text encoders")
        words = sentences(windows, model.config.text, request)
        if request.encoder or not request.init:
            set_sentence_statistics(model, words.vectors)
        encoder = model.encoders.images
        keep_if_asked(encoder, request)
        understood = understanding(windows, encoder, words, stage_options.validation_windows, request)
        return cls(windows, model, words, stage_options, understood, **common(request))

    def collate(self, indices: Tensor, generator: torch.Generator) -> TrackBatch:
        options, count = self.options, len(indices)
        steps = self.told_steps(generator)
        most = min(options.most_seen or steps, steps)
        seen_steps = torch.randint(1, most + 1, (count,), generator=generator)
        frames = seen_frames(self.newest[indices, :steps], seen_steps)
        images, shifts = augment(self.windows.images[frames.rows], options.augment, generator)
        tracks, visible, moved = self.tracks(indices)
        batch = TrackBatch(
            images=images,
            sample=frames.sample,
            frame_of=frames.frame_of,
            seen=frames.seen,
            told=tell(self.windows, self.sentences, frames.rows, shifts, self.telling, generator),
            hidden=torch.rand(count, generator=generator) < options.drop_text,
            tracks=tracks[:, :, :, : steps + 1],
            visible=visible[:, :, :, : steps + 1],
            moved=moved,
            bent=bent(count, tracks.shape[1], options.past_error, generator),
            offset=shifts[frames.frame_of],
        )
        return TrackBatch(**{name: value.to(self.device) for name, value in vars(batch).items()})

    def told_steps(self, generator: torch.Generator) -> int:
        """How many steps of its windows a batch tells: all, or a number whose inverse is uniform."""
        every, fewest = self.steps - 1, self.options.fewest_steps
        if fewest is None or fewest >= every:
            return every
        share = float(torch.rand((), generator=generator, dtype=torch.float64))
        return min(every, int(1 / ((1 - share) / fewest + share / (every + 1))))

    def tracks(self, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tracks [B, V, Q, T, 2], visible and movement [B, V, Q] of the points of windows that were drawn uniformly."""
        tracks, visible = self.windows.tracks_anywhere(indices)
        return tracks, visible, movement(tracks, visible, self.model.config.scale)

    def loss(self, model: Any, batch: TrackBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        context, told, pointing = encode(model, batch)
        features = beginnings(context, batch)
        queries = model.queries.loss(features, batch.moved, model.config.temperature)
        batch = followed(model, features, batch, generator)
        shifts = self.shifts(batch, generator)
        z = shifts.at(shifts.t)
        v = velocities(model, context, batch.inputs, shifts.previous, z, shifts.t)
        flow = shifts.mean((shifts.noise - shifts.data - v).square())
        total, scalars = flow + queries, {"flow": flow.detach(), "queries": queries.detach()}
        if pointing is not None:
            encoding, more = told.loss(pointing, model.config.image.grid, self.options.telling.understanding_weight)
            total, scalars = total + self.options.pointing_weight * encoding, {**scalars, **more}
        if self.options.consistency:
            agreed = self.agreement(batch, shifts, z, v)
            total, scalars["consistency"] = total + self.options.consistency * agreed, agreed.detach()
        return total, scalars

    def shifts(self, batch: TrackBatch, generator: torch.Generator) -> Shifts:
        """What is to be told of a batch, its noise and times."""
        config, draws = self.model.config, self.options.draws
        data = rearrange(batch.tracks.diff(dim=3) * config.scale, "b v n t c -> b t (v n) c")
        past = rearrange(batch.past.diff(dim=3) * config.scale, "b v n t c -> b t (v n) c")
        previous = F.pad(past, (0, 0, 0, 0, 1, 0))
        known = rearrange(batch.visible[..., 1:] & batch.visible[..., :-1], "b v n t -> b t (v n)")
        data, previous, known = (repeat(part, "b t ... -> (b t k) ...", k=draws) for part in (data, previous, known))
        t = TIMES[self.options.times](torch.rand(len(data), generator=generator, device=generator.device))
        noise = torch.randn(data.shape, generator=generator, device=generator.device)
        if config.objective == "regression":  # see sampling.forecast
            t, noise = torch.ones_like(t), torch.zeros_like(noise)
        return Shifts(data, noise, previous, t, known)

    def agreement(self, batch: TrackBatch, shifts: Shifts, z: Tensor, v: Tensor) -> Tensor:
        """How far network and average are from each other, the average a little closer to the data."""
        if not isinstance(self.average, MotionPredictor):
            raise ValueError("consistency compares with the average of the weights, and none was given")
        near = (shifts.t - CLOSER).clamp_min(0)
        near_z = shifts.at(near)
        with torch.no_grad():
            context = encode(self.average, batch)[0]
            near_v = velocities(self.average, context, batch.inputs, shifts.previous, near_z, near)
        return shifts.mean(consistency(z, shifts.t, v, near_z, near, near_v))

    def validate(self, model: Any) -> dict[str, float]:
        """Errors of one future of each window from its first frame, at points drawn as in the loop: of all views, and
        of each one.
        """
        generator, config = torch.Generator().manual_seed(self.seed), model.config
        figures = PlanFigures(self.windows.views)
        for chosen in self.validation_indices(self.options.validation_windows).split(16):
            tracks, visible, _ = self.tracks(chosen)
            images, moving = self.windows.images[chosen], self.windows.moving[chosen][:, :, self.windows.anywhere]
            told = [self.sentences.own(rows)
                    for rows in (self.windows.sentence[chosen], self.windows.another_sentence(chosen))]  # fmt: skip
            points = expected_to_move(model, images, told[0], tracks[:, :, :, 0], generator)
            target = taken(tracks, points)
            noise = torch.randn(len(chosen), 1, self.steps - 1, *target.shape[1:3], 2, generator=generator)
            own, another = (
                predict(model, images, text, target[:, :, :, 0], noise, config.steps)[:, 0] for text in told
            )
            figures.add(own, another, target, taken(visible, points), taken(moving, points))
        refused = self.understood.figures(model.encoders.images) if self.understood else {}
        return {**figures.means(), **refused}

    def save(self, model: Any, directory: Path, meta: dict) -> None:
        """With what counts as understood, as the image encoder is now."""
        if self.understood:
            self.understood.calibrate(model.encoders.images)
            model.config = replace(model.config, image=model.encoders.images.config)
        super().save(model, directory, meta)


def initial_predictor(request: TrainingRequest) -> MotionPredictor:
    """The weights of `init=DIR`, or a new one; with the image encoder of `encoder=DIR` if that is given, and sentences
    read as it does.
    """
    encoder = load_encoder(request.encoder) if request.encoder else None
    if request.init:
        model = checkpoint.load(request.init, MotionPredictor)
    else:
        config: ArfmConfig = model_config({"nano": arfm_nano}, request, "arfm")
        model = MotionPredictor(seeing_as(config, encoder))
    if encoder and isinstance(model.encoders, OwnEncoders):
        checkpoint.load_strictly(model.encoders.images, encoder.state_dict(), str(request.encoder))
        if not request.init:
            start_reading_as(model.encoders.sentence, encoder)
    return model


def encode(model: MotionPredictor, batch: TrackBatch) -> tuple[Context, ToldFrames, Pointing | None]:
    """What a batch's futures are drawn from; what the image encoder is told, and where it points."""
    assert isinstance(model.encoders, OwnEncoders)  # see ArfmStage.create
    told = batch.told.hidden(batch.hidden[batch.sample], model.encoders.sentence)
    frames, pointing = model.look(batch.images, told.text)
    text = told.text[told.first(len(batch.images))][batch.frame_of[:, 0]]
    return model.context(frames, batch.frame_of, batch.seen, text, batch.hidden), told, pointing


def beginnings(context: Context, batch: TrackBatch) -> Tensor:
    """Of all points, what the image looks like where they begin [B, V, Q, C]."""
    return context.frames.lookup(batch.frame_of[:, :1], batch.inputs[:, :, :, :1]).squeeze(3)


def followed(model: MotionPredictor, features: Tensor, batch: TrackBatch, generator: torch.Generator) -> TrackBatch:
    """The batch with `points` of its points, drawn by how much they are expected to move, as a plan's are.

    Were they drawn by how much they do move (paper), which ones there are would tell where the motion goes, and no plan
    can be told that.
    """
    with torch.no_grad():
        expected = model.queries(features).float().cpu()
    points = drawn(model.config, expected, generator).to(batch.tracks.device)
    return replace(batch, tracks=taken(batch.tracks, points), visible=taken(batch.visible, points))


def drawn(config: ArfmConfig, expected: Tensor, generator: torch.Generator) -> Tensor:
    """Points [B, V, N] by their expected movement [B, V, Q]."""
    uniform = torch.rand(expected.shape, generator=generator)
    return draw_points(expected, uniform, config.points, config.temperature)


@torch.no_grad()
def expected_to_move(
    model: MotionPredictor, images: Tensor, text: Tensor, starts: Tensor, generator: torch.Generator
) -> Tensor:
    """Points [B, V, N] of those that begin at starts [B, V, Q, 2], as a plan would draw them."""
    device = model.no_text.device
    frames, _ = model.look(images.to(device), text.to(device))
    rows = torch.arange(len(images), device=device)
    return drawn(model.config, model.expected_movement(frames, rows, starts.to(device)).cpu(), generator)


def velocities(
    model: MotionPredictor, context: Context, inputs: Tensor, previous: Tensor, z: Tensor, t: Tensor
) -> Tensor:
    """Of all steps and draws [E, P, 2], see Shifts; inputs: of the batch."""
    features = model.features(context, inputs)
    steps, draws = features.shape[2], len(z) // (len(features) * features.shape[2])
    features = repeat(features, "b p t d -> (b t k) p d", k=draws)
    text = repeat(context.text, "b d -> (b e) d", e=steps * draws)
    return model.velocity(z, t, features, previous, text).float()


@torch.no_grad()
def predict(model: MotionPredictor, images: Tensor, text: Tensor, starts: Tensor, noise: Tensor, steps: int) -> Tensor:
    """Tracks [B, K, V, N, T, 2] on the CPU, of windows' first frames alone.

    images [B, V, H, W, 3], text [B, D], starts [B, V, N, 2], noise [B, K, T - 1, V, N, 2].
    """
    device = model.no_text.device
    images, text, starts, noise = (part.to(device) for part in (images, text, starts, noise))
    sample = torch.arange(len(images), device=device)
    frame_of = sample[:, None].expand(-1, noise.shape[2])
    seen = torch.zeros_like(frame_of, dtype=torch.bool)
    seen[:, 0] = True
    guidance = model.config.guidance
    contexts, _ = contexts_of(model, images, sample, frame_of, seen, text, guidance)
    return forecast(model, contexts, starts[:, :, :, None], noise, steps=steps, guidance=guidance).cpu()
