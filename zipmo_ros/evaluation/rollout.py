"""The closed loop without ROS: an environment, an agent, and what comes of them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.runtime.stamps import observation_stamp
from zipmo_sim.env import VIEWS, ManipulationEnv
from zipmo_sim.suites import make_env

_log = logging.getLogger(__name__)

Observer = Callable[[Episode, int, dict, np.ndarray], None]  # episode, step, observation, action


class Agent(Protocol):
    """Anything that acts: the planner with the policy (RecedingHorizonAgent), an expert, behaviour cloning.

    One that also knows what it should have done says so in `action_error`, a float, when the episode has ended.
    """

    def reset(self) -> None:
        """Begin an episode."""
        ...

    def act(self, stamp_ns: int, images: np.ndarray, proprio: np.ndarray, instruction: str) -> np.ndarray:
        """Action float64 [7] in [-1, 1] for the observation made at `stamp_ns` of simulated time.

        images uint8 [2, H, W, 3] (agentview, eye in hand), proprio float32 [9].
        """
        ...


MakeAgent = Callable[[ManipulationEnv], Agent]  # agents with eyes only leave the environment alone


def run_episode(env: ManipulationEnv, agent: Agent, episode: Episode, observer: Observer | None = None) -> Outcome:
    """Run until the instructed task is done or the step limit is reached. A crash becomes Outcome.error."""
    done: set[str] = set()
    info: dict = {}
    step = 0
    error = None
    try:
        observation, info = env.reset(seed=episode.seed, options={"init_state": episode.init_state})
        agent.reset()
        finished = False
        while not finished:
            images = np.stack([observation[view] for view in VIEWS])
            stamp = observation_stamp(episode.number, step)
            action = agent.act(stamp, images, observation["proprio"], episode.instruction)
            if observer is not None:
                observer(episode, step, observation, action)
            observation, _, _, truncated, info = env.step(action)
            step += 1
            done |= set(info["done_tasks"])
            finished = truncated or episode.instructed_task in done
    except Exception as crash:  # an exception is an error, never a failed episode
        _log.error("episode %d (%s) crashed:\n%s", episode.number, episode.task, traceback.format_exc())
        error = f"{type(crash).__name__}: {crash}"
    success = episode.instructed_task in done
    return Outcome.of(
        episode,
        success=success,
        original_success=episode.task in done,
        steps=step,
        error=error,
        done_tasks=tuple(sorted(done)),
        failure=None if success or error else info["failures"].get(episode.instructed_task),
        action_error=getattr(agent, "action_error", None),
    )


def run_episodes(
    suite: str,
    episodes: Iterable[Episode],
    make_agent: MakeAgent,
    image_every: int,
    observer: Observer | None = None,
    **env_options,
) -> Iterator[Outcome]:
    """Run episodes one after another, with one environment and one agent a task; yields as they end."""
    env, agent, current = None, None, None
    try:
        for episode in episodes:
            if episode.task != current:
                if env is not None:
                    env.close()
                env, current = make_env(suite, episode.task, image_every=image_every, **env_options), episode.task
                agent = make_agent(env)
            yield run_episode(env, agent, episode, observer)
    finally:
        if env is not None:
            env.close()
