"""How things are taken: what each kind of thing is held by, and which of its holds has room for the hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import pi

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts.core import HOME_YAW, Grasp, body_box, nearest_yaw
from zipmo_sim.experts.surroundings import TIP, Surroundings


@dataclass(frozen=True)
class Rim:
    """Held by a round wall, one finger inside and one outside.

    radius: of the wall's middle, m. middle: of the round in the thing's frame, m. handle: the direction in which one
    sticks out (rad, the thing's frame); None: none does.
    """

    radius: float
    middle: tuple[float, float] = (0.0, 0.0)
    handle: float | None = None


@dataclass(frozen=True)
class Bar:
    """Held at a point [3] of the thing's frame (m), fingers closing along an axis [3] of it.

    length: m to either side of the point, across the fingers, where it can be held too.
    """

    point: tuple[float, float, float]
    closing: tuple[float, float, float]
    length: float = 0.0


@dataclass(frozen=True)
class Box:
    """Held across a side of its bounding box that fits between the fingers."""


# What a kind of thing is held by; boxes, cans and bottles that are not named: across the narrower side.
KINDS: dict[str, Rim | Bar | Box] = {
    "akita_black_bowl": Rim(0.048),
    "white_bowl": Rim(0.036),
    "plate": Rim(0.064),
    "porcelain_mug": Rim(0.039, (0.017, 0.0), handle=pi),
    "white_yellow_mug": Rim(0.042, (-0.018, 0.0), handle=0.0),
    "red_coffee_mug": Rim(0.032, (-0.015, -0.003), handle=0.0),
    "moka_pot": Bar((0.0, 0.072, 0.05), (1.0, 0.0, 0.0)),
    "chefmate_8_frypan": Bar((0.18, 0.0, 0.044), (0.0, 1.0, 0.0), length=0.04),
}
Site = tuple[np.ndarray, np.ndarray, np.ndarray, float]
_WIDEST = 0.072  # m across the fingers' 0.08
_DEPTHS = {Rim: (0.021, 0.014), Box: (0.018,)}  # m from the top to the grip site; the palm is 26 mm above the site
_UPPER = 0.4  # of its height, the part of a rim that is held
_AROUND = np.deg2rad(range(-180, 180, 15))  # directions from a round's middle to where it is held
_BESIDE_HANDLE = np.deg2rad(50)
_INWARDS = (0.0, 0.01)  # m from the wall, for the outer finger's sake
_ROOM = 0.025  # m between the hand and everything else; more is no better
# What is held to cost how many m of room: a rad of turning the wrist, the side towards -y, tilting the hand.
_TURNING, _NEAR_SIDE, _TILTING = 0.006, 0.012, 0.01
# Room that lacks where a thing is taken counts so much; where it is let go of, as itself, up to so many m: that can be
# done from higher up.
_HERE, _LACKING = 3.0, 0.03
_TILT = np.deg2rad(25)  # of a hand that takes a rim from aside, under what juts out over it
_FINGER = 0.056  # m from the grip site to the outer face of an open finger, which a tilted hand has lower by it
_SHALLOW = 0.008  # m below the rim at least that a tilted hand grips
_ASIDE = 0.045  # m by which a tilted hand is further out where it passes that
_REACH = 0.68  # m from the robot's base, up to which all is reached alike
_NEAR = 0.15  # m around a hold within which the palm may pass over something
_PALM = 0.05  # m by which the hand's hovering height may be below the top of it


@dataclass(frozen=True)
class Hold:
    """One way to take a thing, in the thing's frame.

    point [3]: where the grip site is, m. closing [3]: along which the fingers close. along [3]: in which the point may
    vary, a unit vector. tilt: of the hand from pointing down, towards where it closes, rad. over: height (m, world)
    above which the palm passes over what stands near.
    """

    point: np.ndarray
    closing: np.ndarray
    along: np.ndarray
    tilt: float = 0.0
    over: float = -np.inf


def kind_of(thing: str) -> str:
    return re.sub(r"_\d+$", "", thing)


def way_of(thing: str) -> Rim | Bar | Box:
    return KINDS.get(kind_of(thing), Box())


class Holding:
    """The holds of one thing as it stands now."""

    def __init__(self, env: ManipulationEnv, thing: str):
        self._env, self.thing, self.way = env, thing, way_of(thing)
        self.box = body_box(env, f"{thing}_main")
        self._base = env.fixture_poses()["robot0_base"][0]

    def pose(self) -> tuple[np.ndarray, np.ndarray]:
        """Position [3] and axes as columns [3, 3]."""
        position, quaternion = self._env.object_poses()[self.thing]
        return position, Rotation.from_quat(quaternion, scalar_first=True).as_matrix()

    def extent(self) -> tuple[float, float]:
        """Its lowest and highest point, m, world."""
        position, axes = self.pose()
        centre, half = self.box
        middle, reach = position[2] + axes[2] @ centre, np.abs(axes[2]) @ half
        return middle - reach, middle + reach

    def sides(self) -> np.ndarray:
        """Half sides of its box as seen from above, as rows [2, 2], m; the shorter one first."""
        axes, half = self.pose()[1], self.box[1]
        flat = [axis for axis in range(3) if axis != np.argmax(np.abs(axes[2]))]
        return np.stack([half[axis] * axes[:2, axis] for axis in sorted(flat, key=lambda axis: half[axis])])

    def radius(self) -> float:
        """Of the circle around its origin that holds it, m, horizontally."""
        centre, half = self.box
        return float(np.linalg.norm(np.abs(centre[:2]) + half[:2]))

    def grasp(self, hold: Hold, along: float = 0.0) -> Grasp:
        """Where the hand has to be for a hold now, moved so far (m) along the thing."""
        position, axes = self.pose()
        closing = axes @ hold.closing
        site = position + axes @ (hold.point + along * hold.along)
        return Grasp(site, nearest_yaw(np.arctan2(closing[1], closing[0])), max(self.extent()[1], hold.over))

    def choose(self, way: np.ndarray | None) -> Hold:
        """The hold with most room for the hand, of those with enough the one that turns the wrist least.

        way [3]: from where the thing is to where it is let go of, m, if there should be room for the hand, too.
        """
        around = Surroundings(self._env, self.thing)
        best, most = None, -np.inf
        for cost, site, closing, along, tilt in sorted(self._options(), key=lambda option: option[0]):
            if _ROOM - cost <= most:
                break
            yaw = nearest_yaw(np.arctan2(closing[1], closing[0]))
            room = min(around.clearance(site + _ASIDE * closing if tilt else site, yaw), _ROOM)
            if way is not None and room - cost > most:
                room *= _HERE if room < 0 else 1.0
                room += np.clip(around.clearance(site + way, yaw), -_LACKING, 0.0)
            if room - cost > most:
                most, best = room - cost, (site, closing, along, tilt)
        assert best  # every way of holding has a site
        (position, axes), (site, closing, along, tilt) = self.pose(), best
        over = -np.inf if tilt else around.highest(site, _NEAR) - _PALM
        return Hold(axes.T @ (site - position), axes.T @ closing, axes.T @ along, tilt, over)

    def _options(self) -> Iterator[tuple[float, np.ndarray, np.ndarray, np.ndarray, float]]:
        """(cost in m of room, grip site [3], closing direction [3], direction along the thing [3], tilt), world."""
        low, high = self.extent()
        for site, closing, along, cost in self._sites(*self.pose()):
            turn = abs(nearest_yaw(np.arctan2(closing[1], closing[0])) - HOME_YAW)
            cost += _TURNING * turn + self._far(site)
            yield cost, site, closing, along, 0.0
            tilted = np.array([*site[:2], max(site[2], low + TIP + _FINGER * np.sin(_TILT))])
            if isinstance(self.way, Rim) and tilted[2] < high - _SHALLOW:
                yield cost + _TILTING, tilted, closing, along, _TILT

    def _far(self, site: np.ndarray) -> float:
        """What a site is held to cost that the arm hardly reaches, m."""
        reach = np.linalg.norm((site - self._base)[:2])
        return 0.3 * max(float(reach) - _REACH, 0.0)

    def _sites(self, position: np.ndarray, axes: np.ndarray) -> Iterator[Site]:
        """(grip site [3], closing direction [3], direction along the thing [3], cost in m), in the world frame."""
        match self.way:
            case Rim(radius, middle, handle):
                yield from self._around(position + axes @ [*middle, 0.0], axes, radius, handle)
            case Bar(point, closing, length):
                closes = axes @ np.array(closing)
                along = np.cross([0, 0, 1.0], closes)
                for shift in np.arange(-length, length + 1e-9, 0.02):
                    yield position + axes @ np.array(point) + shift * along, closes, along, 0.1 * abs(shift)
            case Box():
                yield from self._across(position, axes)

    def _around(self, middle: np.ndarray, axes: np.ndarray, radius: float, handle: float | None) -> Iterator[Site]:
        low, high = self.extent()
        barred = None if handle is None else axes @ [np.cos(handle), np.sin(handle), 0.0]
        for angle in _AROUND:
            out = np.array([np.cos(angle), np.sin(angle), 0.0])
            if barred is not None and out @ barred > np.cos(_BESIDE_HANDLE):
                continue
            side = _NEAR_SIDE * (out[1] < -0.1)
            for inward in _INWARDS:
                for depth in _DEPTHS[Rim]:
                    site = middle + (radius - inward) * out
                    site[2] = max(high - min(depth, _UPPER * (high - low)), low + TIP)
                    cost = side + 0.1 * inward + 0.5 * (_DEPTHS[Rim][0] - depth)
                    yield site, out, np.array([-out[1], out[0], 0.0]), cost

    def _across(self, position: np.ndarray, axes: np.ndarray) -> Iterator[Site]:
        centre, half = self.box
        upright = int(np.argmax(np.abs(axes[2])))
        low, high = self.extent()
        flat = sorted({0, 1, 2} - {upright}, key=lambda axis: half[axis])
        fitting = [axis for axis in flat if 2 * half[axis] <= _WIDEST]
        for axis in fitting or flat[:1]:  # one that has fallen over may not be held at all: it is tried
            length = 3 - upright - axis
            reach = max(half[length] - 0.012, 0.0)
            for shift in np.arange(0.0, reach + 1e-9, 0.005):
                for sign in (1, -1) if shift else (1,):
                    site = position + axes @ centre + sign * shift * axes[:, length]
                    site[2] = max(high - _DEPTHS[Box][0], low + TIP)
                    yield site, axes[:, axis], axes[:, length], 0.3 * shift
