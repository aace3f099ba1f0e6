"""Scripted experts: privileged state in, clean actions out."""

from typing import Any

import numpy as np

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts.core import Expert
from zipmo_sim.failures import touched_by_hand
from zipmo_sim.suites import expert_maker

CLEAR = 3  # control steps before its first contact that an expert is stopped at


def make_expert(env: ManipulationEnv, rng: np.random.Generator, noise: float = 0.0, recovery: bool = False) -> Expert:
    """The expert for env's task, in its present state; call it after env.reset().

    rng: draws speed, path and grasp offsets, and the disturbance. noise: its standard deviation, 0 .. 0.25.
    recovery: first take the hand to a wrong place and call env.begin() there (earlier observations are then stale).
    At each step: clean = expert.act(); env.step(expert.disturb(clean)).
    Raises ValueError for a noise outside 0 .. 0.5 or a task without expert.
    """
    if not 0 <= noise <= 0.5:
        raise ValueError(f"noise must be in 0 .. 0.5 (up to 0.25 is recommended), got {noise}")
    expert = expert_maker(env.task.suite)(env, rng, noise)
    if recovery:
        expert.displace()
    return expert


def approach(env: ManipulationEnv, seed: int) -> tuple[dict, dict[str, Any]]:
    """Have the expert lead the hand as far as it gets without touching anything, and call that the episode's beginning.

    Call it after env.reset(), to the same initial state of which it returns. seed: draws the expert's speed and path.
    Returns what env.begin() does. Raises ValueError for a suite without expert, RuntimeError where it touches nothing.
    """
    rendered, env.image_every = env.image_every, 0

    def lead(most: int) -> int:
        """Steps until the hand touches something, at most `most`."""
        env.reset(options={"init_state": env.init_state})
        expert = make_expert(env, np.random.default_rng([seed, env.task.index, env.init_state]))
        for step in range(most):
            if touched_by_hand(env):
                return step
            env.step(expert.act())
        return most

    try:
        contact = lead(env.task.max_steps)
        if contact == env.task.max_steps:
            raise RuntimeError(f"the expert of {env.task.name} touched nothing in initial state {env.init_state}")
        lead(max(contact - CLEAR, 0))
    finally:
        env.image_every = rendered
    return env.begin()
