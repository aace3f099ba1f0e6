"""Episodes of an environment, for one thread. Knows no ROS."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from zipmo_ros.nodes.wire.topics import VIEWS
from zipmo_ros.runtime.stamps import episode_number, observation_stamp


class Suites(Protocol):
    """What knows the tasks and makes their environments: the module zipmo_sim.suites, or a stand-in."""

    def task(self, suite: str, name: str) -> Any: ...
    def tasks(self, suite: str) -> list[Any]: ...
    def make_env(self, suite: str, task_name: str, **options: Any) -> Any: ...


ANY = "any"  # as a goal: the first of the scene's tasks that gets done


@dataclass(frozen=True)
class Episode:
    """One episode: the scene of `task` at `init_state`; it is over when task `goal` is done, or ANY of them."""

    suite: str
    task: str
    language: str
    goal: str
    init_state: int
    seed: int
    number: int
    image_every: int
    next_state: int  # the initial state whose turn it is afterwards

    def stamp_ns(self, step: int) -> int:
        """Simulated time of the observation before action `step`."""
        return observation_stamp(self.number, step)

    def achieved(self, done_tasks: Collection[str]) -> bool:
        return bool(done_tasks) if self.goal == ANY else self.goal in done_tasks


@dataclass(frozen=True)
class Observation:
    """What the sensors show at a step: images {view: uint8 [H, W, 3]} where they are new, proprio float32 [9].

    done_tasks: tasks of the scene that were done after any step so far. last: no step can follow. failure: what went
    wrong, if the episode is over without success and the suite can tell.
    """

    step: int
    images: dict[str, np.ndarray] | None
    proprio: np.ndarray
    done_tasks: tuple[str, ...]
    last: bool
    failure: str | None = None


class Simulator:
    """Keeps the environment of one task at a time, and makes another when the task changes.

    Make, use and close it in one thread: OpenGL contexts belong to threads, and a second environment in a process
    would spoil the first one's images.
    """

    def __init__(self, suites: Suites, env_options: dict[str, Any]):
        self._suites = suites
        self._options = env_options
        self._env: Any = None
        self._made: tuple[str, str] | None = None
        self._done: set[str] = set()

    def describe(self, suite: str, task: str, goal: str, init_state: int, seed: int, number: int,
                 image_every: int) -> Episode:  # fmt: skip
        """The episode of these parameters; an empty task is the suite's first, an empty goal the task itself, and a
        negative number stands for the usual one. Raises ValueError for unknown names and initial states."""
        chosen = self._suites.task(suite, task) if task else self._suites.tasks(suite)[0]
        goal_task = chosen if goal in ("", ANY) else self._suites.task(suite, goal)
        if goal_task.scene != chosen.scene:
            raise ValueError(f"goal '{goal}' belongs to scene '{goal_task.scene}', task '{task}' to '{chosen.scene}'")
        if not 0 <= init_state < chosen.init_states:
            raise ValueError(f"{suite} has {chosen.init_states} initial states, so not number {init_state}")
        number = number if number >= 0 else episode_number(chosen.index, init_state)
        goal = ANY if goal == ANY else goal_task.name
        following = (init_state + 1) % chosen.init_states
        return Episode(suite, chosen.name, goal_task.language, goal, init_state, seed, number, image_every, following)

    def prepare(self, suite: str, task: str) -> None:
        """Have the environment of a task ready."""
        if self._made != (suite, task):
            self.close()
            self._env = self._suites.make_env(suite, task, **self._options)
            self._made = suite, task

    def begin(self, episode: Episode) -> Observation:
        """Start the episode; its observation 0."""
        self.prepare(episode.suite, episode.task)
        self._env.image_every = episode.image_every
        observation, info = self._env.reset(seed=episode.seed, options={"init_state": episode.init_state})
        self._done = set()
        return self._observe(observation, info, last=False)

    def step(self, episode: Episode, action: np.ndarray) -> Observation:
        """Execute the action [7]."""
        observation, _, _, truncated, info = self._env.step(action)
        self._done |= set(info["done_tasks"])
        achieved = episode.achieved(self._done)
        failure = info.get("failures", {}).get(episode.goal) if truncated and not achieved else None
        return self._observe(observation, info, last=truncated or achieved, failure=failure)

    def close(self) -> None:
        """Close the environment."""
        if self._env is not None:
            self._env.close()
        self._env = self._made = None

    def _observe(self, observation: dict, info: dict, last: bool, failure: str | None = None) -> Observation:
        fresh = info["image_step"] == info["step"]
        images = {view: observation[view] for view in VIEWS} if fresh else None
        return Observation(info["step"], images, observation["proprio"], tuple(sorted(self._done)), last, failure)
