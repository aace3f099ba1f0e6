"""The suite `libero_object_mixed`: libero_object's ten scenes, where only the sentence says what to take.

In libero_object every scene has one task, and its object always stands in the same place: the picture alone tells what
to do. Here each of a scene's six objects is a task, and which object stands in which of the six places is different in
each of the 50 initial states.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zipmo_sim.rendering import RenderSettings
from zipmo_sim.suites import suite_entry
from zipmo_sim.suites.libero import env as libero_env
from zipmo_sim.suites.libero.assets import find_assets
from zipmo_sim.suites.libero.env import RENDER, Aim, LiberoEnv, bddl_file, init_states, put_stored_state
from zipmo_sim.task import INIT_STATES, Task

__all__ = ["RENDER", "arrangements", "make_env", "tasks"]

SUITE = "libero_object_mixed"
_ORIGIN = "libero_object"
_PLACED = re.compile(r"\(On (\w+)_1 floor_(?:target|other)_object_region")


@cache
def _things(origin: Task) -> tuple[str, ...]:
    """The six things to take in a scene, without the suffix _1: each stands there once."""
    return tuple(_PLACED.findall(bddl_file(origin.suite, origin.name).read_text()))


@cache
def _rows() -> tuple[tuple[Task, Task, str], ...]:
    """(task, libero_object's task of the same scene, what to take) of all tasks."""
    origins = libero_env.tasks(_ORIGIN)
    sentences = {_things(origin)[0]: origin.language for origin in origins}  # its own object comes first
    rows = [(scene, origin, thing) for scene, origin in enumerate(origins) for thing in _things(origin)]
    return tuple(
        (
            Task(
                SUITE,
                index,
                f"pick_{thing}_in_scene_{scene}",
                sentences[thing],
                f"scene_{scene}",
                origin.max_steps,
                thing=thing,
            ),
            origin,
            thing,
        )
        for index, (scene, origin, thing) in enumerate(rows)
    )


def tasks(suite: str = SUITE) -> list[Task]:
    """Ten scenes of six tasks each; needs no assets.

    Raises: LiberoNotInstalledError, see assets.py.
    """
    return [task for task, _, _ in _rows()]


@cache
def arrangements(scene: str) -> np.ndarray:
    """int [50, 6], read-only: in initial state i, thing j stands where LIBERO's file has thing [i, j].

    They depend on the scene alone, so its six tasks share them; no two states have the same one.
    """
    every = np.array(list(itertools.permutations(range(6))))
    chosen = np.random.default_rng([*scene.encode()]).permutation(every)[:INIT_STATES]
    chosen.flags.writeable = False
    return chosen


def make_env(
    task: Task, image_every: int = 1, *, assets: str | Path | None = None, render: RenderSettings | None = None
) -> LiberoEnv:
    """Environment of one task, with the arguments and errors of env.make_env."""
    rows = [row for row in _rows() if row[0].scene == task.scene]
    origin = rows[0][1]
    joints = [f"{thing}_1_joint0" for _, _, thing in rows]
    states, order = init_states(origin), arrangements(task.scene)

    def place(robosuite: Any, index: int) -> None:
        """LIBERO's stored state with its things' places exchanged; heights and attitudes stay with the things."""
        put_stored_state(robosuite, states[index])
        data = robosuite.sim.data
        poses = np.array([data.get_joint_qpos(joint) for joint in joints])
        poses[:, :2] = poses[order[index], :2]
        for joint, pose in zip(joints, poses, strict=True):
            data.set_joint_qpos(joint, pose)
        robosuite.sim.forward()

    return LiberoEnv(
        task,
        find_assets(assets),
        origin=origin,
        aims={other.name: _aim(thing) for other, _, thing in rows},
        place=place,
        image_every=image_every,
        render=render or RENDER,
    )


def _aim(thing: str) -> Aim:
    goal = ["in", f"{thing}_1", "basket_1_contain_region"]
    return Aim((goal,), (f"{thing}_1", "basket_1"), suite_entry(SUITE).near_goal)
