"""Scripted experts: privileged state in, clean actions out."""

import numpy as np

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts.core import Expert
from zipmo_sim.suites import expert_maker


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
