"""Scenes of `mini`: what stands on the table, where initial state i puts it, and when a task is solved."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from robosuite.models.arenas import Arena
from robosuite.models.objects import BoxObject, BreadObject, CanObject, MilkObject, MujocoObject

from zipmo_sim.env import FailureMonitor, ManipulationEnv
from zipmo_sim.failures import Delivery, DeliveryMonitor, TurnMonitor
from zipmo_sim.suites.mini import layouts
from zipmo_sim.suites.mini.surface import TABLE_TOP
from zipmo_sim.suites.mini.table import TableScene, add_body, add_geom

GROCERIES = {"milk": MilkObject, "can": CanObject, "bread": BreadObject}
BIN_HALF = 0.075  # outer half width
BIN_WALL = 0.005
BIN_HEIGHT = 0.045
BLOCK_COLOURS = {"red": (0.85, 0.10, 0.10, 1), "green": (0.10, 0.65, 0.15, 1), "blue": (0.12, 0.25, 0.85, 1)}
BLOCK_HALF = 0.0215
LEVER_LENGTH = 0.15
LEVER_SOLVED = 0.6  # rad beyond the middle
_SIDES = {"left": -1, "right": 1}
_AT_REST = 0.05  # m/s


@dataclass(frozen=True)
class Scene:
    """build: () -> robosuite environment. place: (environment, i). success: (environment, goal) -> bool.

    watch: (environment, {task: goal}) -> what tells failures apart. landmarks: (environment, goal) -> [2, 3] m, see
    ManipulationEnv.landmarks.
    """

    build: Callable[[], TableScene]
    place: Callable[[TableScene, int], None]
    success: Callable[[TableScene, tuple[str, ...]], bool]
    watch: Callable[[ManipulationEnv, Mapping[str, tuple[str, ...]]], FailureMonitor]
    landmarks: Callable[[TableScene, tuple[str, ...]], np.ndarray]


# -- shared ----------------------------------------------------------------------------------------------------------


def _yaw(angle: float) -> np.ndarray:
    return np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)])


def _put(env: TableScene, name: str, xy, bottom: float, yaw: float) -> None:
    """Stand a free object on the table; bottom: height of its origin above its underside."""
    pose = np.concatenate([xy, [TABLE_TOP + bottom + 0.001], _yaw(yaw)])
    env.sim.data.set_joint_qpos(f"{name}_joint0", pose)


def _fix(env: TableScene, name: str, xy, yaw: float = 0.0) -> None:
    body = env.sim.model.body_name2id(name)
    env.sim.model.body_pos[body] = [*xy, TABLE_TOP]
    env.sim.model.body_quat[body] = _yaw(yaw)


def _position(env: TableScene, name: str) -> np.ndarray:
    return env.sim.data.body_xpos[env.sim.model.body_name2id(name)]


def _at_rest(env: TableScene, name: str) -> bool:
    return float(np.linalg.norm(env.sim.data.get_body_xvelp(name))) < _AT_REST


def _touching(env: TableScene, first: str, second: str) -> bool:
    """Whether geoms whose names start so are in contact."""
    pairs = env.sim.data._data.contact.geom
    names = [[env.sim.model.geom_id2name(geom) or "" for geom in pair] for pair in pairs]
    return any(a.startswith(first) and b.startswith(second) for pair in names for a, b in (pair, pair[::-1]))


def _released(env: TableScene, name: str) -> bool:
    return not _touching(env, "gripper0", f"{name}_")


# -- bins ------------------------------------------------------------------------------------------------------------


def _furnish_bins(arena: Arena) -> list[MujocoObject]:
    for side in ("left", "right"):
        body = add_body(arena.worldbody, f"{side}_bin", (0, 0, TABLE_TOP))
        looks = {"rgba": (0.10, 0.42, 0.50, 1)}
        add_geom(body, f"{side}_bin_floor", "box", (BIN_HALF, BIN_HALF, 0.003), (0, 0, 0.003), **looks)
        middle = BIN_HALF - BIN_WALL
        for wall, (x, y) in {"back": (-1, 0), "front": (1, 0), "west": (0, -1), "east": (0, 1)}.items():
            size = (BIN_WALL if x else BIN_HALF, BIN_WALL if y else BIN_HALF, BIN_HEIGHT / 2)
            add_geom(body, f"{side}_bin_{wall}", "box", size, (x * middle, y * middle, BIN_HEIGHT / 2), **looks)
    return [make(name=name) for name, make in GROCERIES.items()]


def _place_bins(env: TableScene, index: int) -> None:
    rng = layouts.generator("bins", index)
    for name, (xy, yaw) in layouts.row("bins", rng).items():
        _put(env, name, xy, {"milk": 0.085, "can": 0.06, "bread": 0.045}[name], yaw)
    for side, y in (("left", -0.13), ("right", 0.13)):
        _fix(env, f"{side}_bin", np.array([0.11, y]) + rng.uniform(-0.015, 0.015, 2))


def _in_bin(env: TableScene, goal: tuple[str, ...]) -> bool:
    """The object's centre is between the walls, it is at rest, and the hand has let go."""
    name, side = goal
    offset = _position(env, f"{name}_main") - _position(env, f"{side}_bin")
    inside = np.abs(offset[:2]).max() < BIN_HALF - BIN_WALL and 0 < offset[2] < 0.12
    return bool(inside and _at_rest(env, f"{name}_main") and _released(env, name))


def _watch_bins(env: ManipulationEnv, goals: Mapping[str, tuple[str, ...]]) -> FailureMonitor:
    deliveries = {task: Delivery(thing, f"{side}_bin", BIN_HALF) for task, (thing, side) in goals.items()}
    return DeliveryMonitor(env, deliveries)


def _thing_and_bin(env: TableScene, goal: tuple[str, ...]) -> np.ndarray:
    name, side = goal
    return np.stack([_position(env, f"{name}_main"), _position(env, f"{side}_bin")])


# -- blocks ----------------------------------------------------------------------------------------------------------


def _furnish_blocks(arena: Arena) -> list[MujocoObject]:
    return [
        BoxObject(
            name=colour, size=[BLOCK_HALF] * 3, rgba=rgba, density=300, friction=(1.2, 0.01, 0.0005),
            solref=[0.01, 1.0],
        )
        for colour, rgba in BLOCK_COLOURS.items()
    ]  # fmt: skip


def _place_blocks(env: TableScene, index: int) -> None:
    for colour, (xy, yaw) in layouts.row("blocks", layouts.generator("blocks", index)).items():
        _put(env, colour, xy, BLOCK_HALF, yaw)


def _stacked(env: TableScene, goal: tuple[str, ...]) -> bool:
    """The upper block lies on the lower one, at rest, and the hand has let go."""
    upper, lower = goal
    offset = _position(env, f"{upper}_main") - _position(env, f"{lower}_main")
    above = np.linalg.norm(offset[:2]) < BLOCK_HALF and abs(offset[2] - 2 * BLOCK_HALF) < 0.01
    resting = above and _touching(env, f"{upper}_", f"{lower}_") and not _touching(env, f"{upper}_", "table")
    return bool(resting and _at_rest(env, f"{upper}_main") and _released(env, upper))


def _watch_blocks(env: ManipulationEnv, goals: Mapping[str, tuple[str, ...]]) -> FailureMonitor:
    deliveries = {task: Delivery(upper, f"{lower}_main", BLOCK_HALF) for task, (upper, lower) in goals.items()}
    return DeliveryMonitor(env, deliveries)


def _two_blocks(env: TableScene, goal: tuple[str, ...]) -> np.ndarray:
    return np.stack([_position(env, f"{colour}_main") for colour in goal])


# -- lever -----------------------------------------------------------------------------------------------------------


def _furnish_lever(arena: Arena) -> list[MujocoObject]:
    base = add_body(arena.worldbody, "lever_base", (0, 0, TABLE_TOP))
    add_geom(base, "lever_base", "cylinder", (0.045, 0.015), (0, 0, 0.015), rgba=(0.25, 0.25, 0.28, 1))
    arm = add_body(base, "lever_arm", (0, 0, 0.045))
    # Explicit, because robosuite's compiler takes inertia from group 0 only.
    ET.SubElement(arm, "inertial", pos=f"{LEVER_LENGTH / 2} 0 0", mass="0.2", diaginertia="0.0005 0.001 0.001")
    hinge = {"type": "hinge", "axis": "0 0 1", "limited": "true", "range": "-1.3 1.3"}
    ET.SubElement(arm, "joint", {"name": "lever_hinge", "damping": "0.15", "frictionloss": "0.15"} | hinge)
    yellow = (0.95, 0.72, 0.05, 1)
    add_geom(arm, "lever_axle", "cylinder", (0.025, 0.013), rgba=yellow)
    add_geom(arm, "lever_bar", "box", (LEVER_LENGTH / 2, 0.011, 0.011), (LEVER_LENGTH / 2, 0, 0), rgba=yellow)
    add_geom(
        arm, "lever_grip", "cylinder", (0.018, 0.035), (LEVER_LENGTH, 0, 0.004), rgba=(0.85, 0.12, 0.1, 1),
        friction="0.4 0.005 0.0001",
    )  # fmt: skip
    return []


def lever_angle(env: TableScene) -> float:
    """Radians; 0 in the middle, positive towards image right."""
    return float(env.sim.data.get_joint_qpos("lever_hinge"))


def _place_lever(env: TableScene, index: int) -> None:
    rng = layouts.generator("lever", index)
    _fix(env, "lever_base", rng.uniform((-0.11, -0.07), (-0.03, 0.07)), rng.uniform(-layouts.MAX_YAW, layouts.MAX_YAW))
    env.sim.data.set_joint_qpos("lever_hinge", rng.uniform(-0.15, 0.15))


def _turned(env: TableScene, goal: tuple[str, ...]) -> bool:
    """The lever is beyond 0.6 rad on the side that was asked for."""
    (side,) = goal
    return _SIDES[side] * lever_angle(env) > LEVER_SOLVED


def _watch_lever(env: ManipulationEnv, goals: Mapping[str, tuple[str, ...]]) -> FailureMonitor:
    return TurnMonitor(env, "lever_hinge", "lever_base", {task: _SIDES[side] for task, (side,) in goals.items()})


def _grip_now_and_then(env: TableScene, goal: tuple[str, ...]) -> np.ndarray:
    """Where the lever's grip is, and where it will be when the lever has just turned far enough."""
    (side,) = goal
    base = env.sim.model.body_name2id("lever_base")
    quaternion = env.sim.data.body_xquat[base]
    yaw = 2 * np.arctan2(quaternion[3], quaternion[0])
    angles = yaw + np.array([lever_angle(env), _SIDES[side] * LEVER_SOLVED])
    reach = LEVER_LENGTH * np.stack([np.cos(angles), np.sin(angles), np.zeros(2)], axis=1)
    return env.sim.data.body_xpos[base] + reach + [0, 0, 0.06]


SCENES = {
    "bins": Scene(lambda: TableScene(_furnish_bins), _place_bins, _in_bin, _watch_bins, _thing_and_bin),
    "blocks": Scene(lambda: TableScene(_furnish_blocks), _place_blocks, _stacked, _watch_blocks, _two_blocks),
    "lever": Scene(lambda: TableScene(_furnish_lever), _place_lever, _turned, _watch_lever, _grip_now_and_then),
}
