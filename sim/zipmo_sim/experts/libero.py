"""Experts for LIBERO: what stands around the basket, in libero_object and libero_object_mixed."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import HOME_YAW, Grasp, PickPlace, body_box, nearest_yaw
from zipmo_sim.libero_env import LiberoEnv

_SUITES = ("libero_object", "libero_object_mixed")
_WIDEST = 0.072  # m across the fingers' 0.08
_DEPTH = 0.018  # m from the object's top to the grip site; the palm is only 26 mm above the site
_TIP = 0.012  # m from the grip site down to the finger tips
_SAFE = 0.012  # m that the hand keeps from other objects
_NEAR = 0.2  # m within which the palm may pass over another object
_REST = 0.02  # m by which an object moves before its grasp is chosen anew
_BASKET_TOP = 0.141  # m above the floor, higher than everything but the bottles (0.146)
_PASS = 0.165  # m above the floor for the underside of what is carried past bottles and basket
_RELEASE = 0.13  # m, lowest grip site over the basket: deeper, the wide palm would touch its walls

# Boxes that hold the hand, from the grip site, m: lower end, then from-to along the closing direction and along the
# fingers' flat side. Each reaches up without end, because the hand comes down from above.
_HAND = (
    (-_TIP, 0.032, 0.068, -0.011, 0.011),
    (-_TIP, -0.068, -0.032, -0.011, 0.011),
    (0.026, -0.106, 0.106, -0.032, 0.032),  # the palm
    (0.13, -0.07, 0.07, -0.152, 0.06),  # the wrist
)
_CORNERS = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)


def make_expert(env: LiberoEnv, rng: np.random.Generator, noise: float) -> "BasketExpert":
    """Raises ValueError for suites without a scripted expert."""
    if env.task.suite not in _SUITES:
        raise ValueError(f"no scripted expert for {env.task.suite} (task {env.task.name}); only for {_SUITES}")
    return BasketExpert(env, rng, noise, *env.objects_of_interest)


class BasketExpert(PickPlace):
    """Take one of several crowded objects from above and drop it into the basket.

    The grasp is the one that turns the wrist least and keeps the hand clear of all other objects; short objects beside
    tall ones are taken off centre for it. Every demonstration of a task turns the wrist the same way.
    """

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, body: str, basket: str):
        self._basket = basket
        self._boxes = {name: body_box(env, f"{name}_main") for name in env.object_poses()}
        self._shift = rng.uniform(-0.012, 0.012, 2)
        self._chosen: tuple[np.ndarray, int, float] | None = None
        self._target = body
        # The base class wants heights that follow from the grasp, and the grasp wants the base class's style.
        low, high = self._extent(env, body)
        length = max(high - _DEPTH, low + _TIP) - low  # of what hangs below the grip site
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
        if self._chosen is None or np.linalg.norm(position - self._chosen[0]) > _REST:
            self._chosen = (position, *self._choose())
        _, axis, shift = self._chosen
        return self._grasp(axis, shift + self.style.along, self.style.depth)

    # -- where the object goes --------------------------------------------------------------------------------------

    def _above_basket(self) -> np.ndarray:
        """Where the object's origin should be when released, given how it hangs in the hand now."""
        hand, (origin, _) = self.hand, self.env.object_poses()[self._target]
        low, _ = self._extent(self.env, self._target)
        release = max(_RELEASE, hand[2] - low + 0.015)
        centre = self.env.object_poses()[self._basket][0][:2]
        return np.array([*(centre + self._shift), release + origin[2] - hand[2]])

    def _in_basket(self) -> bool:
        offset = self.env.object_poses()[self._target][0] - self.env.object_poses()[self._basket][0]
        return bool(np.abs(offset[:2]).max() < 0.05 and offset[2] < _BASKET_TOP - 0.005)

    # -- how to take it ------------------------------------------------------------------------------------------------

    def _choose(self) -> tuple[int, float]:
        """(axis of the object's box along which the fingers close, shift of the grasp along the other one, m)."""
        options = sorted(self._options(), key=lambda option: (round(option[0], 1), abs(option[2]), option[2]))
        if not options:
            raise ValueError(f"{self._target} is too wide for the fingers in its present attitude")
        best, most = options[0], -np.inf
        for option in options:
            clearance = self._clearance_of(self._grasp(*option[1:]))
            if clearance > _SAFE:
                return option[1:]
            if clearance > most:
                best, most = option, clearance
        return best[1:]

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

    def _grasp(self, axis: int, shift: float, deeper: float = 0.0) -> Grasp:
        """The grasp that closes along an axis of the object's box; shift and deeper in m."""
        axes, middle, half, upright = self._attitude()
        yaw = nearest_yaw(_yaw(axes, axis))
        top, bottom = middle[2] + half[upright], middle[2] - half[upright]
        flat = np.array([np.sin(yaw), -np.cos(yaw)])
        height = max(top - _DEPTH - deeper, bottom + _TIP)
        # Come down from a height at which the palm passes over whatever stands near.
        poses = self.env.object_poses()
        near = [name for name in self._others() if np.linalg.norm((poses[name][0] - middle)[:2]) < _NEAR]
        hover_top = max([top, *(self._extent(self.env, name)[1] - 0.05 for name in near)])
        return Grasp(np.array([*(middle[:2] + shift * flat), height]), yaw + self._slant(), hover_top)

    def _slant(self) -> float:
        return 0.5 * self.style.yaw

    def _attitude(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Of the object's box: its axes as columns [3, 3], centre [3] and half sizes [3] in m, and its upright axis."""
        position, quaternion = self.env.object_poses()[self._target]
        centre, half = self._boxes[self._target]
        axes = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
        return axes, position + axes @ centre, half, int(np.argmax(np.abs(axes[2])))

    def _clearance_of(self, grasp: Grasp) -> float:
        """Least horizontal distance (m) between the hand at the grasp and other objects; negative if they overlap."""
        closing = np.array([np.cos(grasp.yaw), np.sin(grasp.yaw)])
        flat = np.array([np.sin(grasp.yaw), -np.cos(grasp.yaw)])
        least = np.inf
        for name in self._others():
            corners = self._corners(self.env, name)
            across = (corners[:, :2] - grasp.position[:2]) @ np.stack([closing, flat], 1)
            low, high = across.min(0), across.max(0)
            for bottom, *sides in _HAND:
                if corners[:, 2].max() > grasp.position[2] + bottom:
                    (first, last), (near, far) = sides[:2], sides[2:]
                    gaps = (low[0] - last, first - high[0], low[1] - far, near - high[1])
                    least = min(least, max(gaps))
        return least

    def _others(self) -> list[str]:
        return [name for name in self._boxes if name != self._target]

    def _corners(self, env: LiberoEnv, name: str) -> np.ndarray:
        """Corners of an object's box in the world [8, 3], m."""
        position, quaternion = env.object_poses()[name]
        centre, half = self._boxes[name]
        return position + Rotation.from_quat(quaternion, scalar_first=True).apply(centre + _CORNERS * half)

    def _extent(self, env: LiberoEnv, name: str) -> tuple[float, float]:
        """Lowest and highest point of an object, m above the floor."""
        heights = self._corners(env, name)[:, 2]
        return float(heights.min()), float(heights.max())


def _yaw(axes: np.ndarray, axis: int) -> float:
    return float(np.arctan2(axes[1, axis], axes[0, axis]))
