"""Experts for the tasks of `mini`."""

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts.core import HOME_YAW, Expert, Phase, PickPlace, body_box, nearest_yaw
from zipmo_sim.suites.mini.scenes import BIN_HALF, BLOCK_HALF, LEVER_LENGTH, lever_angle
from zipmo_sim.suites.mini.suite import goal
from zipmo_sim.suites.mini.surface import TABLE_TOP

_TRAVEL = 0.99  # over the milk, the tallest thing


def make_expert(env: ManipulationEnv, rng: np.random.Generator, noise: float) -> Expert:
    aim = goal(env.task)
    return {"bins": _binning, "blocks": _stacking, "lever": LeverExpert}[env.task.scene](env, rng, noise, *aim)


def _binning(env: ManipulationEnv, rng: np.random.Generator, noise: float, thing: str, side: str) -> PickPlace:
    centre, half = body_box(env, f"{thing}_main")
    height = half[2] - centre[2] + 0.015  # of the origin above the bin's floor at release
    shift = rng.uniform(-0.015, 0.015, 2)

    def place() -> np.ndarray:
        return env.fixture_poses()[f"{side}_bin"][0] + [*shift, height]

    def placed() -> bool:
        offset = env.object_poses()[thing][0] - env.fixture_poses()[f"{side}_bin"][0]
        return bool(np.abs(offset[:2]).max() < BIN_HALF - 0.015 and 0 < offset[2] < height + 0.01)

    return PickPlace(
        env, rng, noise, thing, place, placed, travel=_TRAVEL, clearance=0.07, tolerance=0.015, turned=thing == "can"
    )


def _stacking(env: ManipulationEnv, rng: np.random.Generator, noise: float, upper: str, lower: str) -> PickPlace:
    def place() -> np.ndarray:
        return env.object_poses()[lower][0] + [0, 0, 2 * BLOCK_HALF + 0.004]

    def placed() -> bool:
        offset = env.object_poses()[upper][0] - env.object_poses()[lower][0]
        return bool(np.linalg.norm(offset[:2]) < 0.012 and abs(offset[2] - 2 * BLOCK_HALF) < 0.0055)

    def yaw() -> float:
        quaternion = env.object_poses()[lower][1]
        around = Rotation.from_quat(quaternion, scalar_first=True).as_euler("zyx")[0]
        return nearest_yaw(around, np.pi / 2)

    return PickPlace(env, rng, noise, upper, place, placed, travel=0.93, clearance=0.035, tolerance=0.01, goal_yaw=yaw)


class LeverExpert(Expert):
    """Push the lever's grip sideways with closed fingers, coming down behind it."""

    def __init__(self, env: ManipulationEnv, rng: np.random.Generator, noise: float, side: str):
        super().__init__(env, rng, noise)
        self._sign = {"left": -1.0, "right": 1.0}[side]
        self._behind = rng.uniform(0.05, 0.06)

    def _post(self, ahead: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Where the grip is once the lever has turned by ahead (rad): position [3], direction of its motion [3]."""
        position, quaternion = self.env.fixture_poses()["lever_base"]
        base = Rotation.from_quat(quaternion, scalar_first=True).as_euler("zyx")[0]
        angle = base + lever_angle(self.env.robosuite) + self._sign * ahead
        outward = np.array([np.cos(angle), np.sin(angle), 0])
        height = [0, 0, 0.062 + self.style.depth]
        return position + LEVER_LENGTH * outward + height, self._sign * np.array([-outward[1], outward[0], 0])

    def wrong_place(self) -> np.ndarray:
        """On the far side of the grip, so that the lever stays in sight."""
        post, forward = self._post()
        return post + self.rng.uniform(0.06, 0.11) * forward + [self.rng.uniform(-0.04, 0.02), 0, 0.02]

    def act(self) -> np.ndarray:
        post, forward = self._post()
        offset = self.hand - post
        ahead, aside = offset @ forward, offset @ np.array([forward[1], -forward[0], 0])
        yaw = HOME_YAW + self.style.yaw
        low = offset[2] < 0.012
        if low and self.opening < 0.01 and -0.09 < ahead < -0.015 and abs(aside) < 0.03:
            self.phase = Phase.SLOW
            next_post, direction = self._post(0.45)
            return self.steer(next_post - 0.03 * direction, yaw, shut=True, speed=0.8 * self.style.speed)
        target = post - self._behind * forward
        return self.approach(target, yaw, True, hover=TABLE_TOP + 0.125, travel=TABLE_TOP + 0.15, tolerance=0.01)
