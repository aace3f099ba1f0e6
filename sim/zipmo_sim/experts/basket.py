"""The expert for libero_object and libero_object_mixed: take one of six things and drop it into the basket."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import HOME_YAW, Grasp, PickPlace, body_box, nearest_yaw
from zipmo_sim.experts.surroundings import TIP, Surroundings
from zipmo_sim.suites.libero.env import LiberoEnv

_WIDEST = 0.072  # m across the fingers' 0.08
_DEPTH = 0.018  # m from the object's top to the grip site; the palm is only 26 mm above the site
_SAFE = 0.015  # m that the hand keeps from other objects
_NEAR = 0.2  # m within which the palm may pass over another object
_PALM = 0.05  # m by which the hand's hovering height may be below the top of such an object
_REST = 0.02  # m by which an object moves before its grasp is chosen anew
_BASKET_TOP = 0.141  # m above the floor, higher than everything but the bottles (0.146)
_PASS = 0.165  # m above the floor for the underside of what is carried past bottles and basket
_RELEASE = 0.13  # m, lowest grip site over the basket: deeper, the wide palm would touch its walls
_CORNERS = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)


def make_expert(env: LiberoEnv, rng: np.random.Generator, noise: float) -> "BasketExpert":
    return BasketExpert(env, rng, noise, *env.objects_of_interest)


class BasketExpert(PickPlace):
    """Take one of several crowded objects from above and drop it into the basket.

    The grasp is the one that turns the wrist least and keeps the hand clear of all other objects; short objects beside
    tall ones are taken off centre for it. Every demonstration of a task turns the wrist the same way.
    """

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, body: str, basket: str):
        self._basket = basket
        self._shift = rng.uniform(-0.012, 0.012, 2)
        self._chosen: tuple[np.ndarray, int, float, float] | None = None
        self._target, self._target_box = body, body_box(env, f"{body}_main")
        # The base class wants heights that follow from the grasp, and the grasp wants the base class's style.
        low, high = self._extent(env)
        length = max(high - _DEPTH, low + TIP) - low  # of what hangs below the grip site
        drop = max(_RELEASE - length, 0.015)
        super().__init__(
            env,
            rng,
            noise,
            body,
            self._above_basket,
            self._in_basket,
            travel=max(length + _PASS, 0.18),
            clearance=_PASS - drop,
            tolerance=0.015,
        )

    def grasp(self) -> Grasp:
        """Where to take the object now."""
        position = self.env.object_poses()[self._target][0]
        moved = self._chosen is None or np.linalg.norm(position - self._chosen[0]) > _REST
        if moved and not (self._chosen and self._firm):
            self._chosen = (position, *self._choose())
        _, axis, shift, over = self._chosen
        return self._grasp(axis, shift + self.style.along, self.style.depth, over)

    # -- where the object goes --------------------------------------------------------------------------------------

    def _above_basket(self) -> np.ndarray:
        """Where the object's origin should be when released, given how it hangs in the hand now."""
        hand, (origin, _) = self.hand, self.env.object_poses()[self._target]
        low, _ = self._extent(self.env)
        release = max(_RELEASE, hand[2] - low + 0.015)
        centre = self.env.object_poses()[self._basket][0][:2]
        return np.array([*(centre + self._shift), release + origin[2] - hand[2]])

    def _in_basket(self) -> bool:
        offset = self.env.object_poses()[self._target][0] - self.env.object_poses()[self._basket][0]
        return bool(np.abs(offset[:2]).max() < 0.05 and offset[2] < _BASKET_TOP - 0.005)

    # -- how to take it ------------------------------------------------------------------------------------------------

    def _choose(self) -> tuple[int, float, float]:
        """(axis of the object's box to close the fingers along, shift of the grasp along the other one, height), m.

        Above the height the palm passes over whatever stands near.
        """
        options = sorted(self._options(), key=lambda option: (round(option[0], 1), abs(option[2]), option[2]))
        if not options:
            raise ValueError(f"{self._target} is too wide for the fingers in its present attitude")
        around = Surroundings(self.env, self._target)
        over = around.highest(self.env.object_poses()[self._target][0], _NEAR) - _PALM
        best, most = options[0], -np.inf
        for option in options:
            grasp = self._grasp(*option[1:])
            clearance = around.clearance(grasp.position, grasp.yaw)
            if clearance > most:
                best, most = option, clearance
            if clearance > _SAFE:
                break
        return *best[1:], over

    def _options(self) -> Iterator[tuple[float, int, float]]:
        """(turn of the wrist in rad, axis, shift) of grasps that fit between the fingers."""
        axes, _, half, upright = self._attitude()
        for axis in {0, 1, 2} - {upright}:
            if 2 * half[axis] > _WIDEST:
                continue
            turn = abs(nearest_yaw(_yaw(axes, axis)) - HOME_YAW)
            reach = max(half[3 - upright - axis] - 0.012, 0.0)
            for shift in np.arange(0.0, reach + 1e-9, 0.005):
                yield turn, axis, shift
                yield turn, axis, -shift

    def _grasp(self, axis: int, shift: float, deeper: float = 0.0, over: float = -np.inf) -> Grasp:
        """The grasp that closes along an axis of the object's box, coming from above height over; all in m."""
        axes, middle, half, upright = self._attitude()
        yaw = nearest_yaw(_yaw(axes, axis))
        top, bottom = middle[2] + half[upright], middle[2] - half[upright]
        flat = np.array([np.sin(yaw), -np.cos(yaw)])
        height = max(top - _DEPTH - deeper, bottom + TIP)
        return Grasp(np.array([*(middle[:2] + shift * flat), height]), yaw + self._slant(), max(top, over))

    def _slant(self) -> float:
        return 0.5 * self.style.yaw

    def _attitude(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Of the object's box: its axes as columns [3, 3], centre [3] and half sizes [3] in m, and its upright axis."""
        position, quaternion = self.env.object_poses()[self._target]
        centre, half = self._target_box
        axes = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
        return axes, position + axes @ centre, half, int(np.argmax(np.abs(axes[2])))

    def _extent(self, env: LiberoEnv) -> tuple[float, float]:
        """Lowest and highest point of the object, m above the floor."""
        position, quaternion = env.object_poses()[self._target]
        centre, half = self._target_box
        corners = Rotation.from_quat(quaternion, scalar_first=True).apply(centre + _CORNERS * half)
        heights = position[2] + corners[:, 2]
        return float(heights.min()), float(heights.max())


def _yaw(axes: np.ndarray, axis: int) -> float:
    return float(np.arctan2(axes[1, axis], axes[0, axis]))
