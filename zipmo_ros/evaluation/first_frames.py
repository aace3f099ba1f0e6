"""What perturbations look like: both views where an episode begins, or where something has been moved in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.perturbations.kinds import KINDS
from zipmo_sim.rendering import select_backend
from zipmo_sim.task import Task

SCENES = 3  # that are shown


def first_frames(
    suite: str, tasks: Iterable[str], names: Sequence[str], init_state: int, seed: int, **options: Any
) -> dict[str, list[np.ndarray | None]]:
    """{"unchanged" or a perturbation, at strength 1: images uint8 [H, views * W, 3] of the first task of each scene}.

    Of the tasks that are named, and of SCENES scenes at most. None for a task that a perturbation does not fit.
    Whatever is moved in mid-episode is shown when it just was, by an expert's episode; None where no expert can.
    options: of environments.
    """
    select_backend()
    scenes: dict[str, Task] = {}
    for task in (suites.task(suite, name) for name in tasks):
        scenes.setdefault(task.scene, task)
    shown: dict[str, list[np.ndarray | None]] = {}
    for name in (None, *names):
        images: list[np.ndarray | None] = []
        for task in list(scenes.values())[:SCENES]:
            if name and not _can_be_shown(name, task):
                images.append(None)
                continue
            env = suites.make_env(suite, task.name, perturb=name, **options)
            try:
                images.append(_frame(env, init_state, seed))
            finally:
                env.close()
        shown[name or "unchanged"] = images
    return shown


def _can_be_shown(name: str, task: Task) -> bool:
    able = not KINDS[name].moves or suites.within_expert([task], leave_out=True)
    return bool(able) and KINDS[name].fits(suites.subject(task.suite, task.name))


def _frame(env: ManipulationEnv, init_state: int, seed: int) -> np.ndarray:
    seen, _ = env.reset(seed=seed, options={"init_state": init_state})
    if env.perturbation and env.perturbation.move:
        from zipmo_sim.experts import make_expert

        expert, env.image_every = make_expert(env, np.random.default_rng(seed)), 0
        for _ in range(env.task.max_steps):
            env.step(expert.act())
            if env.perturbation.move.done:
                break
        seen = env.render_views()
    return np.concatenate([seen[view] for view in env.robot.views], axis=1)
