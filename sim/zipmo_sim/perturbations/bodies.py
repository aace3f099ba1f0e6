"""Bodies of a scene, whether they have a free joint or are fixed to the world: where they are, and put elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import body_box
from zipmo_sim.perturbations.subject import Perturbable

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

_LEANS = 0.002  # m
_CORNERS = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)


def things(env: ManipulationEnv, subject: Perturbable) -> list[str]:
    """Everything that stands on the surface: bodies with a free joint, and the fixtures."""
    return [*(f"{name}_main" for name in env.object_poses()), *subject.fixtures]


def position(env: ManipulationEnv, body: str) -> np.ndarray:
    """Of its origin, [3] m, world."""
    return env.sim.data.body_xpos[env.sim.model.body_name2id(body)].copy()


def shift(env: ManipulationEnv, body: str, offset: np.ndarray) -> None:
    """By offset [3] m, world."""
    pose = _pose(env, body)[0]
    pose += offset
    env.sim.forward()


def turn(env: ManipulationEnv, body: str, angle: float) -> None:
    """About the vertical through its origin, rad."""
    quaternion = _pose(env, body)[1]
    turned = Rotation.from_rotvec([0, 0, angle]) * Rotation.from_quat(quaternion, scalar_first=True)
    quaternion[:] = turned.as_quat(scalar_first=True)
    env.sim.forward()


def stand(env: ManipulationEnv, body: str, height: float) -> None:
    """Have its lowest point at a height (m, world)."""
    shift(env, body, np.array([0, 0, height - position(env, body)[2] - _corners(env, body)[:, 2].min()]))


def circle(env: ManipulationEnv, body: str) -> tuple[np.ndarray, float]:
    """Where a body stands, seen from above: middle [2], and the radius (m) around it that holds all of it."""
    return position(env, body)[:2], float(np.linalg.norm(_corners(env, body)[:, :2], axis=1).max())


def overlaps(env: ManipulationEnv, subject: Perturbable, body: str) -> bool:
    """Whether a body is inside of something else that stands on the surface, deeper than things that lean on it."""
    model, data = env.sim.model._model, env.sim.data._data
    roots = {name: env.sim.model.body_name2id(name) for name in things(env, subject)}
    own = roots.pop(body)
    for contact in data.contact:
        pair = {int(root) for root in model.body_rootid[model.geom_bodyid[contact.geom]]}
        if own in pair and pair & {*roots.values()} and contact.dist < -_LEANS:
            return True
    return False


def _corners(env: ManipulationEnv, body: str) -> np.ndarray:
    """Of its box [8, 3], from its origin, m, along the world's axes: things may lie on their side."""
    centre, half = body_box(env, body)
    frame = env.sim.data.body_xmat[env.sim.model.body_name2id(body)].reshape(3, 3)
    return (centre + _CORNERS * half) @ frame.T


def _pose(env: ManipulationEnv, body: str) -> tuple[np.ndarray, np.ndarray]:
    """Views of its position [3] and quaternion wxyz [4], to be written to."""
    model, data = env.sim.model._model, env.sim.data._data
    index = env.sim.model.body_name2id(body)
    if not model.body_jntnum[index]:
        return model.body_pos[index], model.body_quat[index]
    address = model.jnt_qposadr[model.body_jntadr[index]]
    return data.qpos[address : address + 3], data.qpos[address + 3 : address + 7]
