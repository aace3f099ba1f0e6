"""Trained policies behind the contract: a plan (or images and a sentence) and proprioception in, actions out."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from zipmo_policy.arfm import ArfmPolicy
from zipmo_policy.atm import AtmPolicy
from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_policy.head import PolicyHead
from zipmo_policy.track_head import TrackPolicy
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan, PlanSpec, track_spec
from zipmo_ros.contract.protocols import Execution, PolicySpec
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.text import embed_goal
from zipmo_ros.motion.zipmo.adapter import encode_tracks
from zipmo_ros.motion.zipmo.vae import TrackVAE


class InverseDynamics:
    """A Policy (contract.protocols) that reads a plan. Plans of tracks alone it encodes with its bundle's autoencoder.

    bundle: where that is. Proprioception is standardised by the statistics in the checkpoint. Raises ValueError if
    the head was made for another number of views than the robot's.
    """

    def __init__(self, head: PolicyHead, robot: RobotSpec, bundle: Path) -> None:
        self.head, self._views, self._bundle = head.eval(), robot.views, bundle
        config = head.config
        check_views(config.views, robot)
        shape = (config.views, config.latent_grid, config.latent_grid, config.latent_channels)
        plan = PlanSpec("latents", shape, config.horizon, robot.period_ns)
        self.spec = PolicySpec("inverse dynamics", config.horizon, plan, proprio=config.proprio_width, encodes=True)

    @classmethod
    def load(cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "policy") -> InverseDynamics:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) when it is missing or does not fit."""
        bundle = Path(bundle)
        return cls(checkpoint.load(bundle / part, PolicyHead, execution.device), robot, bundle)

    def reset(self) -> None:
        """Nothing is kept."""

    @torch.no_grad()
    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        """See contract.protocols.Policy. Raises ValueError for a plan or proprioception that does not fit, and for
        numbers that are not finite (naming which).
        """
        if problem := self.spec.misfit(plan and plan.spec):
            raise ValueError(problem)
        proprio = checked_proprio(observation, self.head.config.proprio_width)
        device = self.head.latent_pos.device
        latents = torch.from_numpy(np.ascontiguousarray(self._latents(observation, plan))).to(device)
        given = torch.from_numpy(proprio)[None].to(device) if len(proprio) else None
        return checked_chunk(self.head(latents.reshape(1, -1, latents.shape[-1]), given))

    def _latents(self, observation: Observation, plan: MotionPlan) -> np.ndarray:
        if self.spec.must_encode(plan.spec):
            return encode_tracks(self._vae, plan.tracks[0], observation.stacked(self._views))
        return plan.embedding

    @cached_property
    def _vae(self) -> TrackVAE:
        return checkpoint.load(self._bundle / "vae", TrackVAE, self.head.latent_pos.device)


class TrackInverseDynamics:
    """A Policy (contract.protocols) that reads plans of tracks alone, of any planner and any number of points.

    Raises ValueError if the model was made for another number of views than the robot's.
    """

    def __init__(self, model: TrackPolicy, robot: RobotSpec) -> None:
        self.model = model.eval()
        config = model.config
        check_views(config.views, robot)
        plan = track_spec(config.views, config.horizon, robot.period_ns)
        self.spec = PolicySpec("inverse dynamics of tracks", config.horizon, plan, proprio=config.proprio_width)

    @classmethod
    def load(
        cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "policy"
    ) -> TrackInverseDynamics:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) when it is missing or does not fit."""
        return cls(checkpoint.load(Path(bundle) / part, TrackPolicy, execution.device), robot)

    def reset(self) -> None:
        """Nothing is kept."""

    @torch.no_grad()
    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        """See contract.protocols.Policy. Raises ValueError for a plan or proprioception that does not fit."""
        if problem := self.spec.misfit(plan and plan.spec):
            raise ValueError(problem)
        proprio = checked_proprio(observation, self.spec.proprio)
        device = self.model.hand.device
        given = (torch.from_numpy(np.ascontiguousarray(part))[None].to(device) for part in (plan.tracks[0], proprio))
        return checked_chunk(self.model(*given))


class TrackConditioned:
    """A Policy (contract.protocols) that looks at images and reads a plan of tracks, of as many points as it was
    trained with: ATM's.

    It looks back on the frames that it has acted on, of one goal; before there are enough, the first stands for the
    others. Raises ValueError if the model was made for another number of views than the robot's.
    """

    def __init__(self, model: AtmPolicy, robot: RobotSpec) -> None:
        self.model = model.eval()
        config = model.config
        check_views(config.views, robot)
        shape = (config.views, config.points, 1, 2 * config.horizon)
        plan = PlanSpec("tracks", shape, config.horizon, robot.period_ns)
        self.spec = PolicySpec("ATM's policy", config.chunk, plan, robot.views, proprio=config.proprio_width)
        self.reset()

    @classmethod
    def load(
        cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "atm_policy"
    ) -> TrackConditioned:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) when it is missing or does not fit."""
        return cls(checkpoint.load(Path(bundle) / part, AtmPolicy, execution.device), robot)

    def reset(self) -> None:
        self._goal: Goal | None = None
        self._past: list[tuple[int, tuple[torch.Tensor, ...]]] = []  # by stamp: image tokens, tracks, proprioception

    @torch.no_grad()
    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        """See contract.protocols.Policy. Raises ValueError for a plan, a goal or proprioception that does not fit."""
        if problem := self.spec.misfit(plan and plan.spec):
            raise ValueError(problem)
        tracks, points = plan.tracks[0], self.model.config.points
        if tracks.shape[1] != points:
            raise ValueError(f"plans that this policy can't act on: {tracks.shape[1]} points a view, not {points}")
        given = (observation.stacked(self.spec.views), tracks, checked_proprio(observation, self.spec.proprio))
        device = self.model.whole.device
        images, *felt = (torch.from_numpy(np.ascontiguousarray(part))[None].to(device) for part in given)
        text = embed_goal(self.model.config.text, goal, self.spec.name).to(device)
        stamp_ns = observation.stamp_ns
        kept = [frame for frame in self._past if frame[0] < stamp_ns] if goal == self._goal else []
        frames = self.model.config.frames
        self._past = [*kept, (stamp_ns, (self.model.look(images, text)[0], *felt))][-frames:]
        self._goal = goal
        seen = [self._past[0]] * (frames - len(self._past)) + self._past
        tokens, tracks, proprio = (torch.cat(parts) for parts in zip(*(frame for _, frame in seen), strict=True))
        return checked_chunk(self.model(tokens, tracks[None], text, proprio[None]))


class GuidedBehaviour:
    """A Policy (contract.protocols) that looks at images and is told a plan of tracks as a whole, of any number of
    points: ARFM's.

    Raises ValueError if the model was made for another number of views than the robot's.
    """

    def __init__(self, model: ArfmPolicy, robot: RobotSpec) -> None:
        self.model = model.eval()
        config = model.config.cloning
        check_views(config.image.views, robot)
        plan = track_spec(config.image.views, config.horizon, robot.period_ns)
        self.spec = PolicySpec("ARFM's policy", config.horizon, plan, robot.views, proprio=config.proprio_width)

    @classmethod
    def load(
        cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "arfm_policy"
    ) -> GuidedBehaviour:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) when it is missing or does not fit."""
        return cls(checkpoint.load(Path(bundle) / part, ArfmPolicy, execution.device), robot)

    def reset(self) -> None:
        """Nothing is kept."""

    @torch.no_grad()
    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        """See contract.protocols.Policy. Raises ValueError for a plan, a goal or proprioception that does not fit."""
        if problem := self.spec.misfit(plan and plan.spec):
            raise ValueError(problem)
        device = self.model.cloning.positions.device
        given = (observation.stacked(self.spec.views), checked_proprio(observation, self.spec.proprio), plan.tracks[0])
        images, proprio, tracks = (torch.from_numpy(np.ascontiguousarray(part))[None].to(device) for part in given)
        text = embed_goal(self.model.config.cloning.image.text, goal, self.spec.name).to(device)
        return checked_chunk(self.model(images, text, proprio, tracks))


class ClonedBehaviour:
    """A Policy (contract.protocols) without a plan: behaviour cloning from images, sentence and proprioception.

    Raises ValueError if the model was made for another number of views than the robot's.
    """

    def __init__(self, model: BehaviourCloning, robot: RobotSpec) -> None:
        self.model = model.eval()
        config = model.config
        check_views(config.image.views, robot)
        self.spec = PolicySpec("behaviour cloning", config.horizon, None, robot.views, proprio=config.proprio_width)

    @classmethod
    def load(cls, bundle: str | Path, robot: RobotSpec, execution: Execution, part: str = "bc") -> ClonedBehaviour:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) when it is missing or does not fit."""
        return cls(checkpoint.load(Path(bundle) / part, BehaviourCloning, execution.device), robot)

    def reset(self) -> None:
        """Nothing is kept."""

    @torch.no_grad()
    def act(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> np.ndarray:
        """See contract.protocols.Policy; a plan is not read."""
        device = self.model.positions.device
        images = torch.from_numpy(observation.stacked(self.spec.views))[None].to(device)
        text = embed_goal(self.model.config.image.text, goal, self.spec.name).to(device)
        proprio = torch.from_numpy(checked_proprio(observation, self.spec.proprio))[None].to(device)
        return checked_chunk(self.model(images, text, proprio))


def check_views(count: int, robot: RobotSpec) -> None:
    """Raise ValueError where a model was made for another number of views than the robot's."""
    if count != len(robot.views):
        raise ValueError(f"this policy was made for {count} views, the robot has {', '.join(robot.views)}")


def checked_proprio(observation: Observation, width: int) -> np.ndarray:
    """Proprioception float32 [width] of the observation, empty for width 0. Raises ValueError."""
    proprio = np.asarray(observation.proprio, np.float32)
    if width and proprio.shape != (width,):
        raise ValueError(f"the proprioception has shape {proprio.shape}, this policy takes ({width},)")
    _check_finite("proprioception", proprio)
    return proprio[:width]


def checked_chunk(chunk: torch.Tensor) -> np.ndarray:
    """[1, T, 7] of a model -> float64 [T, 7] in [-1, 1] (OSC_POSE; gripper -1 open, +1 close). Raises ValueError."""
    actions = chunk[0].double().cpu().numpy()
    _check_finite("predicted action chunk", actions)
    return actions.clip(-1.0, 1.0)


def _check_finite(name: str, values: np.ndarray) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise ValueError(f"the {name} holds {bad} values that are not finite (of {values.size})")
