"""What perturbations look like: both views where an episode begins, or where something has been moved in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.rendering import select_backend


def first_frames(suite: str, names: Sequence[str], init_state: int, seed: int) -> dict[str, list[np.ndarray | None]]:
    """{"unchanged" or a perturbation, at strength 1: images uint8 [H, views * W, 3] of each scene's first task}.

    None for a scene that a perturbation does not fit. Whatever is moved in mid-episode is shown when it just was, by an
    expert's episode.
    """
    select_backend()
    scenes = {task.scene: task for task in reversed(suites.tasks(suite))}.values()
    shown: dict[str, list[np.ndarray | None]] = {}
    for name in (None, *names):
        images: list[np.ndarray | None] = []
        for task in reversed(scenes):
            if name and not KINDS[name].fits(suites.subject(suite, task.name)):
                images.append(None)
                continue
            env = suites.make_env(suite, task.name, perturb=name)
            try:
                images.append(_frame(env, init_state, seed))
            finally:
                env.close()
        shown[name or "unchanged"] = images
    return shown


def _frame(env: ManipulationEnv, init_state: int, seed: int) -> np.ndarray:
    seen, _ = env.reset(seed=seed, options={"init_state": init_state})
    if env.perturbation and env.perturbation.move:
        from zipmo_sim.experts import make_expert

        expert = make_expert(env, np.random.default_rng(seed))
        for _ in range(env.task.max_steps):
            seen, *_ = env.step(expert.act())
            if env.perturbation.move.done:
                break
    return np.concatenate([seen[view] for view in env.robot.views], axis=1)
