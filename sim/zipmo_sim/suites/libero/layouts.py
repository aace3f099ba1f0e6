"""Layouts of LIBERO's scenes that we draw ourselves, so that demonstrations leave its stored initial states alone.

LIBERO draws a scene by its own regions first. Then each thing that stands on the table or floor is put elsewhere: half
of them near where their region has them, half wherever there is room among those regions. Where a sentence of the scene
says where a thing stands ("the left bowl", "next to the plate"), all stay near, so that it is true in every layout.
Furniture, and what stands on or in it, stays.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from zipmo_sim.suites import sentences
from zipmo_sim.task import Task

_SAYS_WHERE = re.compile(
    r"\b(left|right|middle|front|back|between|next|center)\b(?! (compartment|drawer|of the (stove|caddy))\b)"
)
_FREELY = 0.5  # share of things that are put wherever there is room
_NEAR = 0.03  # m around where LIBERO has drawn a thing
_WIDER = 0.08  # m around all of a scene's regions, where there is room for its things
_REACH = (0.42, 0.74)  # m from the robot's base
_GAP = 0.01  # m between what stands side by side, at least
_HAND, _TALLER = 0.07, 0.03  # m between a thing and what is so much taller
_DROP = 0.003  # m above the table
_TRIES = 200


class NoRoomError(RuntimeError):
    """A layout could not be drawn."""


def put_drawn_layout(robosuite: Any, task: Task, index: int) -> None:
    """Have things stand as in our layout `index` of a task; robosuite has just been reset.

    Raises NoRoomError where the things find no places.
    """
    data = robosuite.sim.data
    rng = np.random.default_rng([*task.name.encode(), index])
    movable = _on_surface(robosuite)
    freely = not any(map(_SAYS_WHERE.search, sentences(task)))
    home = {name: data.get_joint_qpos(_joint(robosuite, name)).copy() for name in movable}
    for _ in range(_TRIES):
        for name, pose in home.items():
            data.set_joint_qpos(_joint(robosuite, name), pose)
        robosuite.sim.forward()
        for name in rng.permutation(sorted(movable)):
            _move(robosuite, name, home, freely, rng)
        if not all(map(robosuite._eval_predicate, robosuite.parsed_problem["goal_state"])):
            return
    raise NoRoomError(f"{task.name}: no places for its things in layout {index}")


def _on_surface(robosuite: Any) -> list[str]:
    """Things that LIBERO puts into regions of the table or floor, and nothing onto or into."""
    regions = robosuite.parsed_problem["regions"]
    stated = [state for state in robosuite.parsed_problem["initial_state"] if len(state) == 3]
    return [
        thing
        for _, thing, where in stated
        if thing in robosuite.objects_dict
        and regions.get(where, {}).get("target") == robosuite.workspace_name
        and not any(other[2].startswith(thing) for other in stated)
    ]


def _joint(robosuite: Any, name: str) -> str:
    return robosuite.objects_dict[name].joints[-1]


def _move(robosuite: Any, name: str, home: dict[str, np.ndarray], freely: bool, rng: np.random.Generator) -> None:
    """Put one thing elsewhere; where it was if there is no place. freely: it may be far from where it is at home."""
    freely = rng.random() < _FREELY and freely
    base = robosuite.robots[0].base_pos[:2]
    places = np.array([pose[:2] for pose in home.values()])
    low, high = places.min(0) - _WIDER, places.max(0) + _WIDER
    for _ in range(_TRIES):
        at = rng.uniform(low, high) if freely else home[name][:2] + rng.uniform(-_NEAR, _NEAR, 2)
        if freely and not _REACH[0] < np.linalg.norm(at - base) < _REACH[1]:
            continue
        _put(robosuite, name, home[name], at)
        if _is_free(robosuite, name):
            return
    _put(robosuite, name, home[name], home[name][:2])


def _put(robosuite: Any, name: str, home: np.ndarray, at: np.ndarray) -> None:
    """Have a thing stand at x and y [2], as it is turned at home [7]. LIBERO itself lets some fall from 60 cm."""
    model, data = robosuite.sim.model._model, robosuite.sim.data
    pose = np.array([*at, *home[2:]])
    data.set_joint_qpos(_joint(robosuite, name), pose)
    robosuite.sim.forward()
    roots = model.body_rootid[model.geom_bodyid]
    solid = (model.geom_contype | model.geom_conaffinity) > 0
    table = np.flatnonzero(solid & (roots == _table(robosuite)))
    low, high = _boxes(model, data._data, table)
    under = ((low[:, :2] < at) & (high[:, :2] > at)).all(1)
    own = np.flatnonzero(solid & (roots == model.body_rootid[robosuite.obj_body_id[name]]))
    surface = high[under if under.any() else slice(None), 2].max()
    pose[2] += surface + _DROP - _boxes(model, data._data, own)[0][:, 2].min()
    data.set_joint_qpos(_joint(robosuite, name), pose)
    robosuite.sim.forward()


def _is_free(robosuite: Any, name: str) -> bool:
    """Whether nothing is within a small gap of a thing, seen from above, and nothing tall where the hand has to be."""
    import mujoco

    model, data = robosuite.sim.model._model, robosuite.sim.data._data
    roots = model.body_rootid[model.geom_bodyid]
    own = roots == model.body_rootid[robosuite.obj_body_id[name]]
    robot = np.array([(robosuite.sim.model.body_id2name(root) or "").startswith("robot") for root in roots])
    solid = ((model.geom_contype | model.geom_conaffinity) > 0) & (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE)
    mine = _boxes(model, data, np.flatnonzero(solid & own))
    theirs = _boxes(model, data, np.flatnonzero(solid & ~own & ~robot & (roots != _table(robosuite))))
    low, high = mine[0].min(0), mine[1].max(0)
    gap = np.where(theirs[1][:, 2:] > high[2] + _TALLER, _HAND, _GAP)
    return not ((theirs[0][:, :2] < high[:2] + gap) & (theirs[1][:, :2] > low[:2] - gap)).all(1).any()


def _table(robosuite: Any) -> int:
    """The body that everything stands on: the regions are marked on it."""
    model = robosuite.sim.model
    regions = robosuite.parsed_problem["regions"].items()
    marked = next(name for name, region in regions if region["target"] == robosuite.workspace_name)
    return int(model._model.body_rootid[model.site_bodyid[model.site_name2id(marked)]])


def _boxes(model: Any, data: Any, geoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y and z [G, 3] of geoms, world; of a plane, z is its height."""
    import mujoco

    frames = data.geom_xmat[geoms].reshape(-1, 3, 3)
    centre = data.geom_xpos[geoms] + (frames @ model.geom_aabb[geoms, :3, None])[..., 0]
    half = (np.abs(frames) @ model.geom_aabb[geoms, 3:, None])[..., 0]
    plane = model.geom_type[geoms] == mujoco.mjtGeom.mjGEOM_PLANE
    centre[plane], half[plane, 2] = data.geom_xpos[geoms][plane], 0.0
    return centre - half, centre + half
