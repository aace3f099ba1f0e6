"""Episodes of a suite's environment: what is set up, what is seen, what got done. For one thread.

The one bookkeeping of episodes, for the loop without ROS and for the simulator node alike.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import episode_number, observation_stamp


class Suites(Protocol):
    """What knows the tasks and makes their environments: the module zipmo_sim.suites, or a stand-in."""

    def task(self, suite: str, name: str) -> Any: ...
    def tasks(self, suite: str) -> list[Any]: ...
    def make_env(self, suite: str, task_name: str, **options: Any) -> Any: ...


ANY = "any"  # as a goal: the first of the scene's tasks that gets done


@dataclass(frozen=True)
class Setup:
    """What an episode starts from: the scene of `task` at `init_state`; over when `goal` is done, or ANY of the tasks.

    number: of the episode, which sets its clock. next_state: the initial state whose turn it is afterwards. approach:
    the hand starts where the expert of `task` has led it, just before it touches anything, and whatever gets done, the
    episode is over at the step limit.
    """

    suite: str
    task: str
    language: str
    goal: str
    init_state: int
    seed: int
    number: int
    image_every: int
    next_state: int
    approach: bool = False

    def achieved(self, done_tasks: Collection[str]) -> bool:
        return bool(done_tasks) if self.goal == ANY else self.goal in done_tasks


@dataclass(frozen=True)
class Moment:
    """An observation, with images where they are new, and what only the simulator knows.

    done_tasks: tasks of the scene that were done after any step so far. last: no step can follow. failure: what went
    wrong, if the episode is over without success and the suite can tell.
    """

    observation: Observation
    done_tasks: tuple[str, ...]
    last: bool
    failure: str | None = None


class Simulator:
    """Keeps the environment of one task at a time, and makes another when the task changes.

    image_phase: control steps that each further view is later by than the one before.
    Make, use and close it in one thread: OpenGL contexts belong to threads, and a second environment in a process
    would spoil the first one's images.
    """

    def __init__(self, suites: Suites, env_options: dict[str, Any], image_phase: int = 0):
        self.robot = load_robot()
        self.env: Any = None
        self._suites, self._options, self.image_phase = suites, env_options, image_phase
        self._made: tuple[str, str] | None = None
        self._done: set[str] = set()

    def describe(self, suite: str, task: str, goal: str, init_state: int, seed: int, number: int,
                 image_every: int, approach: bool = False) -> Setup:  # fmt: skip
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
        return Setup(suite, chosen.name, goal_task.language, goal, init_state, seed, number, image_every, following,
                     approach)  # fmt: skip

    def stamp_ns(self, setup: Setup, step: int) -> int:
        """Simulated time of the observation before action `step`."""
        return observation_stamp(setup.number, step, self.robot.period_ns)

    def prepare(self, suite: str, task: str) -> None:
        """Have the environment of a task ready."""
        if self._made != (suite, task):
            self.close()
            self.env = self._suites.make_env(suite, task, **self._options)
            self._made = suite, task

    def begin(self, setup: Setup) -> Moment:
        """Start the episode; its observation 0."""
        self.prepare(setup.suite, setup.task)
        self.env.image_every, self.env.image_phase = setup.image_every, self.image_phase
        seen, info = self.env.reset(seed=setup.seed, options={"init_state": setup.init_state})
        if setup.approach:
            from zipmo_sim.experts import approach  # imports mujoco, which must find its backend chosen

            seen, info = approach(self.env, setup.seed)
        self._done = set()
        return self._moment(setup, seen, info, last=False)

    def step(self, setup: Setup, action: np.ndarray) -> Moment:
        """Execute the action [7]."""
        seen, _, _, truncated, info = self.env.step(action)
        self._done |= set(info["done_tasks"])
        achieved = setup.achieved(self._done)
        failure = info.get("failures", {}).get(setup.goal) if truncated and not achieved else None
        over = truncated or (achieved and not setup.approach)
        return self._moment(setup, seen, info, last=over, failure=failure)

    def close(self) -> None:
        """Close the environment."""
        if self.env is not None:
            self.env.close()
        self.env = self._made = None

    def _moment(self, setup: Setup, seen: dict, info: dict, last: bool, failure: str | None = None) -> Moment:
        step = info["step"]
        images = {view: seen[view] for view in info["new_views"]}
        observation = Observation(self.stamp_ns(setup, step), step, images, seen["proprio"], seen["hand"])
        return Moment(observation, tuple(sorted(self._done)), last, failure)
