"""The suites `libero_object_mixed` and `libero_spatial_mixed`: where only the sentence says what to take.

In libero_object and libero_spatial every scene has one task, so the picture alone tells what to do. Here each thing
that could be taken is a task: six groceries, or two bowls. Of groceries, which one stands in which place is different
in each of the 50 initial states that are made of LIBERO's own; after them come layouts that we draw.
"""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zipmo_sim.perturbations.subject import Perturbable
from zipmo_sim.rendering import RenderSettings
from zipmo_sim.suites import suite_entry
from zipmo_sim.suites.libero import env as libero_env
from zipmo_sim.suites.libero.assets import find_assets
from zipmo_sim.suites.libero.deliveries import deliveries
from zipmo_sim.suites.libero.env import LAYOUTS, RENDER, LiberoEnv, delivering, put_state
from zipmo_sim.suites.libero.scenery import subject as subject_of
from zipmo_sim.suites.libero.steps import Predicate
from zipmo_sim.task import INIT_STATES, Task

if TYPE_CHECKING:
    from zipmo_sim.perturbations.perturbation import Perturbation

__all__ = ["RENDER", "arrangements", "make_env", "scenery", "subject", "tasks"]

_MIXED = "_mixed"
_SHUFFLED = "libero_object"  # of the bowls each place has a sentence


@cache
def _rows(suite: str) -> tuple[tuple[Task, Task, Predicate], ...]:
    """(task, LIBERO's task of the same scene, what has to hold) of all tasks."""
    origins = enumerate(libero_env.tasks(suite.removesuffix(_MIXED)))
    rows = [
        (number, origin, *delivery)
        for number, origin in origins
        for delivery in deliveries(origin.suite, origin.name).items()
    ]
    return tuple(
        (
            Task(
                suite,
                index,
                f"pick_{predicate[1].removesuffix('_1')}_in_scene_{number}",
                sentence,
                f"scene_{number}",
                origin.max_steps,
                init_states=LAYOUTS,
                thing=predicate[1].removesuffix("_1"),
                stored=INIT_STATES,
            ),
            origin,
            predicate,
        )
        for index, (number, origin, sentence, predicate) in enumerate(rows)
    )


def tasks(suite: str) -> list[Task]:
    """Ten scenes of six tasks, or of two, each; needs no assets.

    Raises: LiberoNotInstalledError, see assets.py.
    """
    return [task for task, _, _ in _rows(suite)]


def scenery(task: Task) -> Perturbable:
    """See zipmo_sim.suites.scenery."""
    return next(libero_env.scenery(origin) for row, origin, _ in _rows(task.suite) if row.name == task.name)


def subject(task: Task) -> Perturbable:
    """See zipmo_sim.suites.subject."""
    origin, predicate = next((origin, what) for row, origin, what in _rows(task.suite) if row.name == task.name)
    return subject_of(origin.suite, origin.name, [predicate])


@cache
def arrangements(scene: str) -> np.ndarray:
    """int [50, 6], read-only: in initial state i, grocery j stands where LIBERO's file has grocery [i, j].

    They depend on the scene alone, so its six tasks share them; no two states have the same one.
    """
    every = np.array(list(itertools.permutations(range(6))))
    chosen = np.random.default_rng([*scene.encode()]).permutation(every)[:INIT_STATES]
    chosen.flags.writeable = False
    return chosen


def make_env(
    task: Task, image_every: int = 1, *, assets: str | Path | None = None, render: RenderSettings | None = None,
    perturbation: Perturbation | None = None,
) -> LiberoEnv:  # fmt: skip
    """Environment of one task, with the arguments and errors of env.make_env."""
    rows = [row for row in _rows(task.suite) if row[0].scene == task.scene]
    origin, near = rows[0][1], suite_entry(task.suite).near_goal
    joints = [f"{predicate[1]}_joint0" for _, _, predicate in rows]

    def place(robosuite: Any, index: int) -> None:
        """As the origin has it, of LIBERO's own states with places exchanged; heights and attitudes stay."""
        put_state(robosuite, origin, index)
        if origin.suite != _SHUFFLED or index >= INIT_STATES:
            return
        data = robosuite.sim.data
        poses = np.array([data.get_joint_qpos(joint) for joint in joints])
        poses[:, :2] = poses[arrangements(task.scene)[index], :2]
        for joint, pose in zip(joints, poses, strict=True):
            data.set_joint_qpos(joint, pose)
        robosuite.sim.forward()

    return LiberoEnv(
        task,
        find_assets(assets),
        origin=origin,
        aims={other.name: delivering(predicate, near) for other, _, predicate in rows},
        place=place,
        image_every=image_every,
        render=render or RENDER,
        perturbation=perturbation,
    )
