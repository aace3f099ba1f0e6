"""Scripted experts: privileged state in, clean actions out."""

import importlib

import numpy as np

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts.core import Expert

_MODULES = {
    "mini": "zipmo_sim.experts.mini",
    "libero_object": "zipmo_sim.experts.basket",
    "libero_object_mixed": "zipmo_sim.experts.basket",
    "libero_spatial": "zipmo_sim.experts.bowl",
}


SUITES = tuple(_MODULES)  # that have experts


def make_expert(env: ManipulationEnv, rng: np.random.Generator, noise: float = 0.0, recovery: bool = False) -> Expert:
    """The expert for env's task, in its present state; call it after env.reset().

    rng: draws speed, path and grasp offsets, and the disturbance. noise: its standard deviation, 0 .. 0.25.
    recovery: first take the hand to a wrong place and call env.begin() there (earlier observations are then stale).
    At each step: clean = expert.act(); env.step(expert.disturb(clean)).
    Raises ValueError for a noise outside 0 .. 0.5 or a task without expert.
    """
    if not 0 <= noise <= 0.5:
        raise ValueError(f"noise must be in 0 .. 0.5 (up to 0.25 is recommended), got {noise}")
    suite = env.task.suite
    if suite not in _MODULES:
        raise ValueError(f"no scripted expert for {suite} (task {env.task.name}); only for {', '.join(_MODULES)}")
    expert = importlib.import_module(_MODULES[suite]).make_expert(env, rng, noise)
    if recovery:
        expert.displace()
    return expert
