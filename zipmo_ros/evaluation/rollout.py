"""The closed loop without ROS: a simulator, an agent, and what comes of them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from zipmo_ros.contract.camera import CameraSpec
from zipmo_ros.contract.goal import Goal, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.smoothness import jerk
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.simulator import Simulator

_log = logging.getLogger(__name__)

Observer = Callable[[Episode, Observation, np.ndarray], None]  # episode, observation, the action that it led to

Ended = Callable[[Outcome, ManipulationEnv], None]


class Agent(Protocol):
    """Anything that acts: a planner with a policy (RecedingHorizonAgent), an expert, behaviour cloning.

    One that knows more of the episode, such as what it should have done, says so when it has ended, in `facts`: fields
    of Outcome. One that has not understood the sentence, and so holds, says so in `refused`: the episode is over then.
    """

    def reset(self) -> None:
        """Begin an episode."""
        ...

    def act(self, observation: Observation, goal: Goal) -> np.ndarray:
        """Action float64 [7] in [-1, 1]. The observation has images where they are new."""
        ...


MakeAgent = Callable[[ManipulationEnv], Agent]  # agents with eyes only leave the environment alone


def run_episode(
    simulator: Simulator, agent: Agent, episode: Episode, suite: str, image_every: int,
    observer: Observer | None = None, robot: str | None = None,
) -> Outcome:  # fmt: skip
    """Run until the instructed task is done or the step limit is reached. A crash becomes Outcome.error.

    robot: whose cameras are simulated; None: those that the models know.
    """
    cameras = (load_robot(robot) if robot else simulator.robot).cameras
    done: tuple[str, ...] = ()
    told: list[np.ndarray] = []  # where the hand was to go
    hands: list[np.ndarray] = []  # where it was
    step, error, failure, success = 0, None, None, False
    try:
        setup = simulator.describe(
            suite, episode.task, episode.instructed_task, episode.init_state, episode.seed, episode.number, image_every,
            episode.approach,
        )  # fmt: skip
        goal = Sentence(episode.instruction)
        moment = simulator.begin(setup)
        agent.reset()
        while not moment.last:
            seen = as_models_see(moment.observation, cameras)
            action = agent.act(seen, goal)
            if getattr(agent, "refused", False):
                break
            if observer is not None:
                observer(episode, seen, action)
            if moment.observation.hand is not None:
                hands.append(moment.observation.hand[:3])
                told.append(moved(moment.observation.hand, action[:6] * simulator.robot.offset_scale)[:3])
            moment = simulator.step(setup, action)
            step, done, failure = moment.observation.step, moment.done_tasks, moment.failure
        success = setup.achieved(done)
    except Exception as crash:  # an exception is an error, never a failed episode
        _log.error("episode %d (%s) crashed:\n%s", episode.number, episode.task, traceback.format_exc())
        error = f"{type(crash).__name__}: {crash}"
    return Outcome.of(
        episode,
        success=success,
        original_success=episode.task in done,
        steps=step,
        error=error,
        done_tasks=done,
        failure=failure,
        jerk=jerk(told, simulator.robot.period_s),
        moved_m=max((float(np.linalg.norm(hand - hands[0])) for hand in hands), default=0.0),
        **getattr(agent, "facts", {}),
    )


def as_models_see(observation: Observation, cameras: Sequence[CameraSpec]) -> Observation:
    """With images as the models look at them, of those that the cameras give."""
    of = {camera.view: camera for camera in cameras}
    return replace(observation, images={view: of[view].to_model(image) for view, image in observation.images.items()})


def run_episodes(
    suite: str,
    episodes: Iterable[Episode],
    make_agent: MakeAgent,
    image_every: int,
    observer: Observer | None = None,
    robot: str | None = None,
    ended: Ended | None = None,
    **env_options: Any,
) -> Iterator[Outcome]:
    """Run episodes one after another, with one environment and one agent a task; yields as they end.

    robot: see run_episode. ended: told each outcome while the environment is as the episode left it.
    """
    simulator = Simulator(suites, env_options)
    agent, current = None, None
    try:
        for episode in episodes:
            if episode.task != current:
                simulator.prepare(suite, episode.task)
                agent, current = make_agent(simulator.env), episode.task
            outcome = run_episode(simulator, agent, episode, suite, image_every, observer, robot)
            if ended is not None:
                ended(outcome, simulator.env)
            yield outcome
    finally:
        simulator.close()
