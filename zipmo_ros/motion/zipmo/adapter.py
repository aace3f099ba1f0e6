"""ZipMo behind the contract: an observation and a goal -> a motion embedding -> point tracks, in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from zipmo_ros.contract.goal import Goal, Pokes
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON, MotionPlan, PlanSpec
from zipmo_ros.contract.protocols import Execution, PlannerSpec
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.engines import Call, carried_out
from zipmo_ros.motion.flow import interpolate, plan_noise
from zipmo_ros.motion.looking import Looking
from zipmo_ros.motion.pointer import Pointing, understood
from zipmo_ros.motion.text import embed_for, open_source
from zipmo_ros.motion.zipmo.going_on import GoingOn, MadePlan
from zipmo_ros.motion.zipmo.plan_pass import PlanPass, padded, pointing_of
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE


class ZipmoPlanner(Looking):
    """A Planner (contract.protocols) of autoencoder and flow-matching network. It keeps no state between plans, unless
    each is to begin as the last one goes on (Execution.warm_start).

    Raises ValueError if the two were not made for each other, or for another number of views than `views`.
    """

    def __init__(
        self, vae: TrackVAE, network: MotionPlanner, views: Sequence[str], period_ns: int, execution: Execution
    ):
        config = network.config
        ours, theirs = ((c.latent_grid, c.latent_channels) for c in (vae.config, config))
        if ours != theirs:
            raise ValueError(f"autoencoder and planner disagree on the latent's (grid, channels): {ours} and {theirs}")
        if len(views) != config.views:
            raise ValueError(f"this planner looks at {config.views} views, the robot has {', '.join(views)}")
        if config.text:
            open_source(config.text.encoder, execution.text_encoder)
        self.vae, self.network = vae.eval(), network.eval()
        self._understood_at = config.image.understood_at
        self.steps = execution.steps or config.steps
        self._warm_start = execution.warm_start
        self._last = GoingOn(self.vae, period_ns)
        self._dtype = getattr(torch, execution.dtype)
        self._execution = execution
        self._passes: dict[float, Call] = {}  # by the flow time that they begin at
        self._pass(1.0)  # an engine that is not there is told now
        shape = (config.views, config.latent_grid, config.latent_grid, config.latent_channels)
        plan = PlanSpec("latents", shape, HORIZON, period_ns)
        self.spec = PlannerSpec("zipmo", plan, tuple(views))

    @classmethod
    def load(cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "planner") -> ZipmoPlanner:
        """From BUNDLE/vae and BUNDLE/PART. Raises CheckpointError (a ValueError) for what does not fit."""
        bundle = Path(bundle)
        vae = checkpoint.load(bundle / "vae", TrackVAE, execution.device)
        network = checkpoint.load(bundle / part, MotionPlanner, execution.device)
        return cls(vae, network, robot.views, robot.period_ns, execution)

    def reset(self) -> None:
        self._last.reset()

    def observe(self, observation: Observation) -> None:
        """What is not planned for is not looked at."""

    @torch.no_grad()
    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """Latents of `samples` futures; the noise is keyed by seed and stamp, and the first is that of samples=1."""
        config = self.network.config
        images = self._tensor(observation.stacked(self.spec.views))[None]
        step = torch.tensor([observation.step], device=self._device) if config.step_token else None
        shape = (samples, config.latent_tokens, config.latent_channels)
        noise = self._tensor(plan_noise(seed, observation.stamp_ns, shape))
        z, start = self._beginning(goal, observation.stamp_ns, images[0], noise)
        inputs = (images, self._wanted(goal), z, *(() if step is None else (step,)))
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            z, *parts = self._pass(start)(*inputs)
        if self._warm_start is not None:
            first = rearrange(z[0], "(v l) c -> v l c", v=config.views)
            self._last.made(MadePlan(goal, observation.stamp_ns, images[0], first))
        embeddings = z.reshape(samples, *self.spec.plan.shape).cpu().numpy()
        return MotionPlan(
            observation.stamp_ns, goal, self.spec.plan, embeddings, understood(pointing_of(parts), self._understood_at)
        )

    def _beginning(self, goal: Goal, stamp_ns: int, images: Tensor, noise: Tensor) -> tuple[Tensor, float]:
        """Noisy latents [K, L, C] and their flow time: noise alone, or with what is left of the last first future."""
        ahead = None if self._warm_start is None else self._last.latents(goal, stamp_ns, images)
        if ahead is None:
            return noise, 1.0
        t = torch.full((1,), self._warm_start, device=noise.device)
        return interpolate(ahead.flatten(0, 1)[None], noise, t), self._warm_start

    @torch.no_grad()
    def show(self, plan: MotionPlan, observation: Observation, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See contract.protocols.Visible; the places are where the image encoder points, if it does."""
        images = observation.stacked(self.spec.views)
        return self.decode(plan.embedding, images, queries), self.places(observation, plan.goal)

    @torch.no_grad()
    def decode(self, latents: np.ndarray, images: np.ndarray, queries: np.ndarray) -> np.ndarray:
        """Latents [V, H, W, C], start frames uint8 [V, H, W, 3], queries [V, Q, 2] -> tracks [V, Q, T, 2]."""
        if latents.shape != self.spec.plan.shape:
            raise ValueError(f"an embedding must have shape {self.spec.plan.shape}, got {latents.shape}")
        flat = self.vae.denormalise(rearrange(self._tensor(latents).float(), "v h w c -> v (h w) c"))
        tracks = self.vae.decode(
            flat, self._tensor(queries).float(), self._tensor(images), steps=self.spec.plan.horizon
        )
        return tracks.cpu().numpy()

    def _pass(self, start: float) -> Call:
        if start not in self._passes:
            self._passes[start] = carried_out(PlanPass(self.network, self.steps, start).eval(), self._execution)
        return self._passes[start]

    def _look(self, observation: Observation, goal: Goal) -> Pointing | None:
        images = self._tensor(observation.stacked(self.spec.views))[None]
        return None if isinstance(goal, Pokes) else self.network.look(images, self._wanted(goal))[1]

    def _wanted(self, goal: Goal) -> Tensor:
        """The goal as the network takes it. Raises ValueError for the other kind."""
        text = self.network.config.text
        if isinstance(goal, Pokes) != (text is None):
            raise ValueError(f"this planner is conditioned by {'pokes' if text is None else 'a sentence'}, got {goal}")
        if isinstance(goal, Pokes):
            return torch.tensor(goal.rows, dtype=torch.float32, device=self._device)[None]
        rows = embed_for(text, [goal.text], self._execution.text_encoder)
        return (rows if self._execution.engine == "eager" else padded(rows)).to(self._device)

    @property
    def _device(self) -> torch.device:
        return self.network.latent_pos.device

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


@torch.no_grad()
def encode_tracks(vae: TrackVAE, tracks: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Tracks [V, N, T, 2] and their start frames uint8 [V, H, W, 3] -> normalised latents float32 [V, H, W, C]."""
    device, config = vae.latent_mean.device, vae.config
    given, seen = (torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (tracks, images))
    latents = vae.normalise(vae.encode(given.float(), seen).mean)
    return latents.reshape(-1, config.latent_grid, config.latent_grid, config.latent_channels).cpu().numpy()
