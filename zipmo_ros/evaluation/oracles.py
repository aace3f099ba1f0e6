"""Agents with a part replaced by the truth, to find which part of the loop loses episodes.

A ladder, each rung with less help than the one above, all run by zipmo_ros.evaluation.rollout:

| rung     | who decides                                                                                |
|----------|--------------------------------------------------------------------------------------------|
| expert   | the scripted expert: the ceiling of the task                                               |
| tracks   | the policy, on embeddings of what the expert's future would look like from this very state |
| plans    | the expert; the policy, on the planner's embeddings for the expert's states, is compared   |
| followed | planner and policy; the planner's points (ARFM's) are followed by the simulator            |
| zeroed   | the policy, on embeddings of zeros: what it does without being told anything               |
| replay   | nobody: the actions of one demonstration of the expert, whatever is seen                   |

The last two are no oracles but the floor: what success takes neither planner nor eyes.

`plans` is not a success rate: as soon as the policy's own actions were executed, the states would be the policy's and
the rung the whole agent. Its figure is Outcome.action_error.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON, MotionPlan, PlanSpec, track_spec
from zipmo_ros.contract.protocols import Planner, PlannerSpec, Tracker
from zipmo_ros.contract.splits import TRAINING
from zipmo_ros.evaluation.demonstrate import CollectionSettings, roll_out
from zipmo_ros.evaluation.rollout import Agent
from zipmo_ros.motion.zipmo.adapter import encode_tracks
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_ros.training.points import sample_points
from zipmo_sim.env import ManipulationEnv, cameras
from zipmo_sim.experts import make_expert
from zipmo_sim.tracks import ExactTracker


class ExpertAgent:
    """The expert's clean actions for the environment's own task; speeds and paths are drawn by seed and state."""

    def __init__(self, env: ManipulationEnv, seed: int):
        self.env, self._seed = env, seed

    def reset(self) -> None:
        self._expert = make_expert(self.env, np.random.default_rng([self._seed, self.env.init_state]))

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        return np.clip(self._expert.act(), -1.0, 1.0)

    def foresee(self) -> np.ndarray:
        """States [16, S] from now on if the expert acted; neither the episode nor the expert's memory changes."""
        return self.env.foresee(copy.copy(self._expert).act, HORIZON)


class ExactTracks:
    """A Planner (contract.protocols) that looks into the simulator: the exact tracks of the expert's future.

    points: of a view; a moving one is `moving_weight` times as likely to be drawn as a resting one.
    """

    def __init__(self, expert: ExpertAgent, points: int = 32, moving_weight: float = 7.0):
        self._expert, self._points, self._moving_weight = expert, points, moving_weight
        robot = expert.env.robot
        self.spec = PlannerSpec("exact tracks", track_spec(len(robot.views), HORIZON, robot.period_ns), ())

    def reset(self) -> None:
        """Nothing is kept."""

    def observe(self, observation: Observation) -> None:
        """Nothing is kept."""

    def tracks(self, stamp_ns: int) -> np.ndarray:
        """Tracks float32 [V, N, 16, 2] of the expert's future; which points are followed is drawn by the stamp."""
        rng = np.random.default_rng([self._points, stamp_ns])
        tracker = ExactTracker(self._expert.env.sim.model._model, self._expert.foresee(), cameras())
        windows = [tracker.window(view, 0, rng) for view in self._expert.env.robot.views]
        moving = torch.from_numpy(np.stack([window.moving for window in windows]))
        draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
        chosen = sample_points(moving, self._points, self._moving_weight, draw).numpy()
        return np.stack([window.tracks[rows] for window, rows in zip(windows, chosen, strict=True)])

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """The one future that there is; the goal is not read, the expert knows its task."""
        tracks = np.stack([self.tracks(observation.stamp_ns)] * samples)
        return MotionPlan.of_tracks(observation.stamp_ns, goal, tracks, self.spec.plan.period_ns)


class TrackPlanner(ExactTracks):
    """Latents of exact tracks. The autoencoder is given as many of them a view as in its training, drawn as there."""

    def __init__(self, expert: ExpertAgent, vae: TrackVAE):
        config = vae.config
        super().__init__(expert, config.points_in, config.moving_weight)
        self._vae = vae
        robot = expert.env.robot
        shape = (len(robot.views), config.latent_grid, config.latent_grid, config.latent_channels)
        self.spec = PlannerSpec("exact tracks", PlanSpec("latents", shape, HORIZON, robot.period_ns), robot.views)

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """As of ExactTracks."""
        images = observation.stacked(self.spec.views)
        latents = encode_tracks(self._vae, self.tracks(observation.stamp_ns), images)
        return MotionPlan(observation.stamp_ns, goal, self.spec.plan, np.stack([latents] * samples))


class ZeroPlanner:
    """A Planner (contract.protocols) whose embeddings are zeros, the mean of normalised latents. plan: their shape."""

    def __init__(self, plan: PlanSpec, views: tuple[str, ...]):
        self.spec = PlannerSpec("zeros", plan, views)

    def reset(self) -> None:
        """Nothing is kept."""

    def observe(self, observation: Observation) -> None:
        """Nothing is kept."""

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """Zeros, whatever is seen and wanted."""
        shape = (samples, *(size or 0 for size in self.spec.plan.shape))
        embeddings = np.zeros(shape, np.float32)
        return MotionPlan(observation.stamp_ns, goal, self.spec.plan, embeddings)


class ReplayAgent:
    """One demonstration of the expert, played blindly in every episode; then it holds still.

    The demonstration is of the first training state in which the expert succeeds; `seed` draws its speed and path.
    """

    def __init__(self, env: ManipulationEnv, seed: int):
        self._actions = recorded_actions(env, seed)

    def reset(self) -> None:
        self._step = 0

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        self._step += 1
        if self._step <= len(self._actions):
            return self._actions[self._step - 1]
        return np.append(np.zeros(6), self._actions[-1, 6])


def recorded_actions(env: ManipulationEnv, seed: int) -> np.ndarray:
    """Actions [T, 7] of a demonstration from a training state, without noise. Raises RuntimeError if none succeeds."""
    rendered, env.image_every = env.image_every, 0
    after = CollectionSettings().after_success
    try:
        for state in TRAINING:
            env.reset(options={"init_state": state})
            steps = roll_out(env, make_expert(env, np.random.default_rng([seed, state])), after)
            if steps is not None:
                return steps["executed_actions"]
    finally:
        env.image_every = rendered
    raise RuntimeError(f"the expert of {env.task.name} succeeds in no training state")


class FollowedExactly:
    """A Planner that follows points, and the Tracker that it does so with: the simulator (contract.protocols).

    make: of a tracker, the planner. The state is noted in which each of the newest two observations was made.
    """

    def __init__(self, env: ManipulationEnv, make: Callable[[Tracker], Planner]):
        self._env, self._states = env, dict[bytes, tuple[str, np.ndarray]]()
        self._planner = make(self)
        self.spec = self._planner.spec

    def reset(self) -> None:
        self._states.clear()
        self._planner.reset()

    def observe(self, observation: Observation) -> None:
        self._note(observation)
        self._planner.observe(observation)

    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        self._note(observation)
        return self._planner.plan(observation, goal, seed, samples)

    def track(self, frames: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of frames that were observed; whatever is in the frame counts as visible."""
        taken = [self._states[frame.tobytes()] for frame in frames]
        tracker = ExactTracker(self._env.sim.model._model, np.stack([state for _, state in taken]), cameras())
        tracks = tracker.follow(taken[0][0], 0, queries)[:, : len(frames)].astype(np.float32)
        return tracks, np.asarray((np.abs(tracks) <= 1).all(-1))

    def _note(self, observation: Observation) -> None:
        state = self._env.get_state()
        self._states |= {image.tobytes(): (view, state) for view, image in observation.images.items()}
        self._states = dict(list(self._states.items())[-2 * len(observation.images) :])


class Beside:
    """The guide acts, the watcher only says what it would do, here as in all that follows from its earlier words."""

    def __init__(self, guide: Agent, watcher: Agent):
        self._guide, self._watcher = guide, watcher

    def reset(self) -> None:
        self._guide.reset()
        self._watcher.reset()
        self._errors: list[float] = []

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        action = self._guide.act(observation, goal)
        self._errors.append(float(np.abs(action - self._watcher.act(observation, goal)).mean()))
        return action

    @property
    def facts(self) -> dict[str, float | None]:
        """action_error: mean absolute difference of the two, over steps and the 7 dimensions, in units of action."""
        return {"action_error": float(np.mean(self._errors)) if self._errors else None}


class Guided:
    """An agent whose plans ask the expert, which has to see every step to know what it holds."""

    def __init__(self, expert: ExpertAgent, agent: Agent):
        self._expert, self._agent = expert, agent

    def reset(self) -> None:
        self._expert.reset()
        self._agent.reset()

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        self._expert.act(observation, goal)
        return self._agent.act(observation, goal)

    @property
    def facts(self) -> dict[str, Any]:
        return getattr(self._agent, "facts", {})
