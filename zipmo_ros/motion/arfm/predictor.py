"""ARFM's networks as one model: encoders, feature fusion, flow head, and what guesses which points will move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from zipmo_ros.motion.arfm.config import ArfmConfig
from zipmo_ros.motion.arfm.encoders import Frames, OwnEncoders
from zipmo_ros.motion.arfm.foundation import FoundationEncoders
from zipmo_ros.motion.arfm.fusion import FeatureFusion, FusionCache
from zipmo_ros.motion.arfm.head import FlowHead
from zipmo_ros.motion.arfm.queries import QueryPredictor
from zipmo_ros.motion.pointer import Pointing


@dataclass(frozen=True)
class Context:
    """What futures are drawn from, encoded once.

    frames: see Frames. frame_of: int64 [B, T], the newest frame that each step sees. seen: bool [B, T], whether the
    step's own frame is there. words: cache of the sentence alone. text: what the head is told, of the sentence and of
    where it points in the newest frame [B, D].
    """

    frames: Frames
    frame_of: Tensor
    seen: Tensor
    words: FusionCache
    text: Tensor


class MotionPredictor(nn.Module):
    kind = "arfm"
    config_class = ArfmConfig

    def __init__(self, config: ArfmConfig):
        super().__init__()
        self.config = config
        width = config.width
        self.encoders = FoundationEncoders() if config.image is None else OwnEncoders(config)
        local, glob, text = self.encoders.local_width, self.encoders.global_width, self.encoders.text_width
        self.seen_local, self.seen_global = nn.Embedding(2, local), nn.Embedding(2, glob)
        self.local_proj, self.global_proj = nn.Linear(local, width), nn.Linear(glob, width)
        self.word_proj, self.text_proj = nn.Linear(text, width), nn.Linear(text, width)
        if config.places:
            assert config.image is not None
            self.position = nn.Linear(2, width)
            self.pointed = nn.Sequential(nn.Linear(config.image.told_width, width), nn.SiLU(), nn.Linear(width, width))
        self.no_words = nn.Parameter(0.02 * torch.randn(self.encoders.silence, width))
        self.no_text = nn.Parameter(0.02 * torch.randn(width))
        self.view = nn.Parameter(0.02 * torch.randn(config.views, width)) if config.views > 1 else None
        self.fusion = FeatureFusion(width, config.depth, config.hidden, self.encoders.words)
        self.head = FlowHead(config)
        self.queries = QueryPredictor(local)

    def look(self, images: Tensor, text: Tensor, hidden: Tensor | None = None) -> tuple[Frames, Pointing | None]:
        """images [R, V, H, W, 3] uint8 or [-1, 1], each with its sentence [R, ...], hidden where `hidden` [R] bool."""
        if images.ndim != 5 or images.shape[1] != self.config.views:
            raise ValueError(f"ARFM looks at {self.config.views} views [R, V, H, W, 3], got {tuple(images.shape)}")
        return self.encoders.look(images, text, hidden)

    def context(
        self, frames: Frames, frame_of: Tensor, seen: Tensor, text: Tensor, hidden: Tensor | None = None
    ) -> Context:
        """frame_of, seen [B, T]: see Context. text [B, ...]: the sentence as the encoders read it; those that are
        `hidden` [B] bool are as if nothing had been said.
        """
        words = self.encoders.read(text)
        tokens, whole, counted = self.word_proj(words.tokens), self.text_proj(words.whole), words.counted
        if hidden is not None:
            tokens = torch.where(hidden[:, None, None], self.no_words, tokens)
            whole = torch.where(hidden[:, None], self.no_text, whole)
            if counted is not None:
                silence = torch.arange(counted.shape[1], device=counted.device) < self.encoders.silence
                counted = torch.where(hidden[:, None], silence, counted)
        if self.config.places:
            assert frames.pointed is not None  # see ArfmConfig
            whole = whole + self.pointed(frames.pointed[frame_of[:, -1]])
        return Context(frames, frame_of, seen, self.fusion.read(tokens, counted), whole)

    def expected_movement(self, frames: Frames, rows: Tensor, points: Tensor) -> Tensor:
        """How much points [B, V, Q, 2] of the frames `rows` [B] are expected to move, pixels^2 a step [B, V, Q]."""
        return self.queries(frames.lookup(rows[:, None], points[:, :, :, None])).squeeze(3).float()

    def sites(self, context: Context, points: Tensor, first: int = 0) -> Tensor:
        """Inputs of the fusion [B, S, T, D]: the points [B, V, N, T, 2] of the steps from `first` on, then the image
        tokens, views outer.
        """
        steps = slice(first, first + points.shape[3])
        frame_of, seen = context.frame_of[:, steps], context.seen[:, steps].long()
        local = context.frames.lookup(frame_of, points) + self.seen_local(seen)[:, None, None]
        glob = rearrange(context.frames.tokens[frame_of], "b t v g c -> b v g t c")
        glob = glob + self.seen_global(seen)[:, None, None]
        local = self.local_proj(local)
        if self.config.places:
            local = local + self.position(points)
        parts = [local, self.global_proj(glob)]
        if self.view is not None:
            parts = [part + rearrange(self.view, "v d -> v 1 1 d") for part in parts]
        return torch.cat([rearrange(part, "b v n t d -> b (v n) t d") for part in parts], dim=1)

    def fuse(
        self, sites: Tensor, cache: FusionCache, points: int, valid: Tensor | None = None
    ) -> tuple[Tensor, FusionCache]:
        """Features [B, V * N, T, D] of the first `points` = V * N sites, and the cache that goes on from there.

        valid: bool [B, V * N], the points that are there; the others have no influence.
        """
        if valid is not None:  # image tokens always are
            valid = torch.cat([valid, valid.new_ones(len(valid), sites.shape[1] - points)], dim=1)
        fused, cache = self.fusion(sites, cache, valid)
        return fused[:, :points], cache

    def features(self, context: Context, points: Tensor, valid: Tensor | None = None) -> Tensor:
        """All steps at once, as training has them: points [B, V, N, T, 2] -> [B, V * N, T, D]."""
        sites = self.sites(context, points)
        count = points.shape[1] * points.shape[2]
        return self.fuse(sites, context.words.at_sites(sites.shape[1]), count, valid)[0]

    def velocity(
        self,
        z: Tensor,
        t: Tensor | float,
        features: Tensor,
        previous: Tensor,
        text: Tensor,
        valid: Tensor | None = None,
    ) -> Tensor:
        """noise - shift in pixels, see FlowHead; t a number for all, or [B].

        Preconditioned (Karras et al. 2022, for a straight path): if shifts were standard normal and nothing else known,
        it would be (2 t - 1) / d of the noisy shift with d = (1 - t)^2 + t^2; the head says the rest, in units in which
        that has variance 1 at all times. So it need not learn to pass the noise on, which it would never do exactly.
        """
        t = torch.as_tensor(t, dtype=torch.float32, device=z.device).expand(len(z))
        said = self.head(z, t, features, previous, text, valid)
        if not self.config.preconditioned:
            return said
        t = t[:, None, None]
        spread = (1 - t).square() + t.square()
        return (2 * t - 1) / spread * z + said / spread.sqrt()


def repeated(tensor: Tensor, draws: int) -> Tensor:
    """[B, ...] -> [B * draws, ...], sample-major."""
    return tensor if draws == 1 else repeat(tensor, "b ... -> (b k) ...", k=draws)
