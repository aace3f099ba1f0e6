"""Futures, a step at a time: one pass of the fusion with its cache, then the flow head alone.

A plan is drawn from noise, or an earlier one is taken along: its shifts are denoised again from close to the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from zipmo_ros.motion.arfm.config import EditConfig
from zipmo_ros.motion.arfm.fusion import FusionCache
from zipmo_ros.motion.arfm.predictor import Context, MotionPredictor, repeated
from zipmo_ros.motion.flow import Velocity, euler, guided, interpolate
from zipmo_ros.motion.metrics import DELTA_SIZE
from zipmo_ros.motion.pointer import Pointing

WORST = 10 / (DELTA_SIZE / 2)  # from plan to followed points, at which nothing is kept: 10 of ARFM's pixels
STRONGEST = 16  # evaluations then


class _Stream:
    """The passes of the fusion for one context; all futures of a sample share the first, which takes in the past."""

    def __init__(self, model: MotionPredictor, context: Context, draws: int, valid: Tensor | None):
        self._model, self._context, self._draws, self._valid = model, context, draws, valid
        self._cache: FusionCache | None = None
        self.text = repeated(context.text, draws)

    def features(self, points: Tensor, first: int) -> Tensor:
        """Of the last of the steps points [B, V, N, T, 2] from `first` on, for each future [B * K, V * N, D]."""
        sites = self._model.sites(self._context, points, first)
        count = points.shape[1] * points.shape[2]
        begins = self._cache is None
        cache = self._context.words.at_sites(sites.shape[1]) if self._cache is None else self._cache
        fused, cache = self._model.fuse(sites, cache, count, self._valid)
        last = fused[:, :, -1]
        if begins and self._draws > 1:
            last, cache = repeated(last, self._draws), cache.for_draws(self._draws, len(points))
            self._valid = None if self._valid is None else repeated(self._valid, self._draws)
            context = self._context
            self._context = Context(context.frames, repeated(context.frame_of, self._draws),
                                    repeated(context.seen, self._draws), context.words, self.text)  # fmt: skip
        self._cache = cache
        return last


class Rollout:
    """K futures of each of B samples, grown by `advance`.

    contexts: what they are drawn from and, for guidance, the same without the sentence. past [B, V, N, P, 2]: where the
    points have been, the last of it now. The contexts' steps begin where the past does. valid: bool [B, V * N].
    """

    def __init__(
        self, model: MotionPredictor, contexts: Sequence[Context], past: Tensor, draws: int, valid: Tensor | None = None
    ):
        self._model, self._draws, self._valid = model, draws, None if valid is None else repeated(valid, draws)
        self._streams = [_Stream(model, context, draws, valid) for context in contexts]
        self._pending, self._first = past, 0
        self._points = past.shape[2]
        moved = past.diff(dim=3)[:, :, :, -1:] if past.shape[3] > 1 else torch.zeros_like(past)
        self._previous = repeated(self._pixels(moved), draws)
        self._now = repeated(past[:, :, :, -1], draws)

    def _pixels(self, shift: Tensor) -> Tensor:
        """[B, V, N, ..., 2] -> [B, V * N, 2] in pixels."""
        return shift.reshape(len(shift), -1, 2) * self._model.config.scale

    def advance(
        self, noise: Tensor, steps: int, guidance: float = 1.0, start: float = 1.0, planned: Tensor | None = None
    ) -> Tensor:
        """Where the points are a step later [B * K, V, N, 2].

        noise [B * K, V, N, 2], standard normal. steps: evaluations of the head, from time `start` on. planned: where
        an earlier plan has them then, which noise is added to unless start is 1. steps 0: what was planned.
        """
        features = [stream.features(self._pending, self._first) for stream in self._streams]
        self._first += self._pending.shape[3]
        z = rearrange(noise, "b v n c -> b (v n) c")
        if planned is not None:
            shift = self._pixels(planned - self._now)
            z = interpolate(shift, z, torch.tensor([start], device=z.device)) if steps else shift
        if steps:
            fields = [self._field(stream, told) for stream, told in zip(self._streams, features, strict=True)]
            z = euler(guided(fields[0], fields[-1], guidance), z, steps, start)
        self._previous = z
        self._now = self._now + rearrange(z, "b (v n) c -> b v n c", n=self._points) / self._model.config.scale
        self._pending = self._now[:, :, :, None]
        return self._now

    def _field(self, stream: _Stream, features: Tensor) -> Velocity:
        return lambda z, t: self._model.velocity(z, t, features, self._previous, stream.text, self._valid).float()


def forecast(
    model: MotionPredictor,
    contexts: Sequence[Context],
    past: Tensor,
    noise: Tensor,
    *,
    steps: int,
    guidance: float = 1.0,
    planned: Tensor | None = None,
    edit: EditConfig | None = None,
    valid: Tensor | None = None,
) -> Tensor:
    """Tracks [B, K, V, N, 1 + H, 2] from the last of the past on.

    contexts, past, valid: see Rollout. noise [B, K, H, V, N, 2]. steps, guidance: of what is drawn in full.
    planned [B, K, V, N, T, 2], T from 1 to H + 1: what an earlier plan has from now on; its shifts are drawn again as
    `edit` says (None: as the model does; paper section 3.4), and what is beyond it in full.
    """
    draws, horizon = noise.shape[1:3]
    if model.config.objective == "regression":  # as in training: one evaluation, at t = 1, of no noise
        noise, steps, planned = torch.zeros_like(noise), 1, None
    noise = rearrange(noise, "b k h v n c -> h (b k) v n c")
    rollout = Rollout(model, contexts if guidance > 1 else contexts[:1], past, draws, valid)
    now = repeated(past[:, :, :, -1], draws)
    ahead, again, start = None, 0, 1.0
    if planned is not None:
        edit = edit or model.config.edit
        start, again = (edit.start, edit.steps)
        if edit.by_error:
            start, again = strength(planned[:, 0, :, :, 0], past[:, :, :, -1])
        ahead = rearrange(planned, "b k v n t c -> t (b k) v n c")
        if edit.rule == "translate":
            ahead = ahead + (now - ahead[0])
    tracks = [now]
    for step in range(horizon):
        if ahead is not None and step + 1 < len(ahead):
            tracks.append(rollout.advance(noise[step], again, guidance, start, ahead[step + 1]))
        else:
            tracks.append(rollout.advance(noise[step], steps, guidance))
    return rearrange(torch.stack(tracks), "t (b k) v n c -> b k v n t c", k=draws)


def strength(planned: Tensor, found: Tensor) -> tuple[float, int]:
    """(start, evaluations) for a plan whose points [..., 2] were found elsewhere: in proportion to the mean distance,
    all of it from WORST on. Nothing is drawn again where they are as planned.
    """
    share = min(float((planned - found).norm(dim=-1).mean()), WORST) / WORST
    return share, round(STRONGEST * share)


def contexts_of(
    model: MotionPredictor,
    images: Tensor,
    sample: Tensor,
    frame_of: Tensor,
    seen: Tensor,
    text: Tensor,
    guidance: float,
) -> tuple[list[Context], Pointing | None]:
    """Contexts of B samples as Rollout takes them: with the sentence and, where guidance asks for it, without. Besides
    where the image encoder points for the sentence, in each of the images.

    images [R, V, H, W, 3] of the samples `sample` [R]. frame_of, seen [B, T]: see Context. text [B, ...]: the sentences
    as the encoders read them.
    """
    nothing = torch.ones(len(text), dtype=torch.bool, device=text.device)
    contexts, pointings = [], []
    for hidden in (None, nothing) if guidance > 1 else (None,):
        frames, pointing = model.look(images, text[sample], None if hidden is None else hidden[sample])
        contexts.append(model.context(frames, frame_of, seen, text, hidden))
        pointings.append(pointing)
    return contexts, pointings[0]


def following(frame_steps: Sequence[int], steps: int) -> tuple[Tensor, Tensor]:
    """frame_of and seen [1, steps] of one sample's frames, which were seen at the steps `frame_steps`, ascending.

    Steps before the first frame see that one; a step without a frame of its own counts as seen if a later one has one.
    """
    at, step = torch.tensor(list(frame_steps)), torch.arange(steps)
    newest = (torch.searchsorted(at, step, right=True) - 1).clamp_min(0)
    return newest[None], (step <= at[-1])[None]
