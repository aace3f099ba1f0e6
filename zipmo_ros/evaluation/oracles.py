"""Agents with a part replaced by the truth, to find which part of the loop loses episodes.

A ladder, each rung with less help than the one above, all run by zipmo_ros.evaluation.rollout:

| rung   | who decides                                                                              |
|--------|------------------------------------------------------------------------------------------|
| expert | the scripted expert: the ceiling of the task                                             |
| tracks | the policy, on embeddings of what the expert's future would look like from this very state |
| plans  | the expert; the policy, on the planner's embeddings for the expert's states, is compared  |
| bc     | behaviour cloning on the same images, without a motion plan between                       |

`plans` is not a success rate: as soon as the policy's own actions were executed, the states would be the policy's and
the rung the whole agent. Its figure is Outcome.action_error.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange

from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_ros.evaluation.rollout import Agent
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.zipmo.generator import MotionGenerator
from zipmo_ros.training.points import sample_points
from zipmo_sim.env import CAMERAS, ManipulationEnv
from zipmo_sim.experts import make_expert
from zipmo_sim.tracks import SAMPLES, Tracker

MOVING_WEIGHT = 7.0  # as in training: a moving point is taken this many times as often as another


class ExpertAgent:
    """The expert's clean actions for the environment's own task; speeds and paths are drawn by seed and state."""

    def __init__(self, env: ManipulationEnv, seed: int):
        self.env, self._seed = env, seed

    def reset(self) -> None:
        self._expert = make_expert(self.env, np.random.default_rng([self._seed, self.env.init_state]))

    def act(self, stamp_ns: int, images: np.ndarray, proprio: np.ndarray, instruction: str) -> np.ndarray:
        return np.clip(self._expert.act(), -1.0, 1.0)

    def foresee(self) -> np.ndarray:
        """States [16, S] from now on if the expert acted; neither the episode nor the expert's memory changes."""
        return self.env.foresee(copy.copy(self._expert).act, SAMPLES)


class TrackPlanner:
    """Plans by looking: embeddings of the exact tracks of the expert's future, in place of the planner.

    points: tracks a view that the autoencoder is given, drawn as in its training.
    """

    def __init__(self, expert: ExpertAgent, generator: MotionGenerator, points: int):
        self._expert, self._generator, self._points = expert, generator, points

    def tracks(self, stamp_ns: int) -> np.ndarray:
        """Tracks float32 [V, N, 16, 2] of the expert's future; which points are followed is drawn by the stamp."""
        rng = np.random.default_rng([self._points, stamp_ns])
        tracker = Tracker(self._expert.env.sim.model._model, self._expert.foresee(), CAMERAS)
        windows = [tracker.window(view, 0, rng) for view in CAMERAS]
        moving = torch.from_numpy(np.stack([window.moving for window in windows]))
        draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
        chosen = sample_points(moving, self._points, MOVING_WEIGHT, draw).numpy()
        return np.stack([window.tracks[rows] for window, rows in zip(windows, chosen, strict=True)])

    def __call__(self, images: np.ndarray, instruction: str, stamp_ns: int) -> np.ndarray:
        """Embedding [V, H, W, C]; the sentence is not read, the expert knows its task."""
        return self._generator.encode(self.tracks(stamp_ns), images)


class Beside:
    """The guide acts, the watcher only says what it would do, here as in all that follows from its earlier words."""

    def __init__(self, guide: Agent, watcher: Agent):
        self._guide, self._watcher = guide, watcher

    def reset(self) -> None:
        self._guide.reset()
        self._watcher.reset()
        self._errors: list[float] = []

    def act(self, stamp_ns: int, images: np.ndarray, proprio: np.ndarray, instruction: str) -> np.ndarray:
        action = self._guide.act(stamp_ns, images, proprio, instruction)
        self._errors.append(float(np.abs(action - self._watcher.act(stamp_ns, images, proprio, instruction)).mean()))
        return action

    @property
    def action_error(self) -> float | None:
        """Mean absolute difference of the two, over steps and the 7 dimensions, in units of action."""
        return float(np.mean(self._errors)) if self._errors else None


class Guided:
    """An agent whose plans ask the expert, which has to see every step to know what it holds."""

    def __init__(self, expert: ExpertAgent, agent: Agent):
        self._expert, self._agent = expert, agent

    def reset(self) -> None:
        self._expert.reset()
        self._agent.reset()

    def act(self, stamp_ns: int, images: np.ndarray, proprio: np.ndarray, instruction: str) -> np.ndarray:
        self._expert.act(stamp_ns, images, proprio, instruction)
        return self._agent.act(stamp_ns, images, proprio, instruction)


def cloned(model: BehaviourCloning) -> tuple[Callable, Callable]:
    """Behaviour cloning as (plan, act) of a RecedingHorizonAgent: its plan is what it has seen and been told."""
    config = model.config

    def plan(images: np.ndarray, instruction: str, stamp_ns: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(images)[None], embed_sentences([instruction], config.image.text.encoder)

    @torch.no_grad()
    def act(seen: tuple[torch.Tensor, torch.Tensor], proprio: np.ndarray) -> np.ndarray:
        chunk = model(*seen, torch.from_numpy(proprio)[None])
        return rearrange(chunk, "1 t a -> t a").double().numpy().clip(-1.0, 1.0)

    return plan, act
