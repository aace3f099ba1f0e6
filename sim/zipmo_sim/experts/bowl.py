"""The expert for libero_spatial: take the black bowl that is meant by its rim, and set it on the plate."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import Grasp, PickPlace, body_box, nearest_yaw
from zipmo_sim.experts.surroundings import Surroundings
from zipmo_sim.suites.libero.env import LiberoEnv

_RIM = 0.048  # m from the bowl's axis to its wall, where the fingers hold it: too wide to be held across
# Where the rim is tried: directions from the bowl's axis that need no turn of the wrist, and so much beside them; how
# far inwards of the wall, for the outer finger's sake; how deep under the rim. The first of each is liked best. The
# drawer needs all of it: its walls are 6 mm higher than the rim.
_SIDES = (np.pi / 2, -np.pi / 2)
_BESIDE = np.deg2rad(range(-40, 50, 10))
_INWARDS = (0.0, 0.01, 0.02)  # m
_DEPTHS = (0.021, 0.014)  # m from the rim to the grip site; the palm is 31 mm above the site
_ROOM = 0.025  # m between the hand and everything else; more is no better
_STRETCH, _LEAN = 0.66, 2.5  # m from the robot's base from which on the hand leans outwards; rad for each further metre
_NEAR = 0.15  # m around the grasp within which the palm may pass over something
_PALM = 0.05  # m by which the hand's hovering height may be below the top of it
_AROUND = 0.012  # m between the fingers at most, when they hold the rim
_SLACK = 0.012  # m between the hand and the middle of the wall that it holds, at most
_REST = 0.02  # m by which the bowl moves before its grasp is chosen anew
_OVER = 0.05  # m that the bowl rises before it moves sideways, and twice that over what stands around it: the drawer
_WALLS = 0.08  # m around the bowl's axis
_PASS = 0.15  # m above the plate for the hand, so that a bowl passes over another one on the ramekin
_STANDS = 0.004  # m above the plate's origin for the bowl's when it stands there
_PLACED = 0.022  # m from the plate's middle; LIBERO asks for 0.03


def make_expert(env: LiberoEnv, rng: np.random.Generator, noise: float) -> "BowlExpert":
    return BowlExpert(env, rng, noise, *env.objects_of_interest)


@dataclass(frozen=True)
class _Hold:
    """angle: direction from the bowl's axis to the place on its rim, rad. inward: from the wall; depth: under it, m."""

    angle: float
    inward: float = 0.0
    depth: float = _DEPTHS[0]


class BowlExpert(PickPlace):
    """Take a bowl by the rim, one finger inside and one outside, and put it down on the plate.

    There is room beside the bowls on the side that needs no turn of the wrist, but for the drawer: so every
    demonstration of a task takes the rim in the same place.
    """

    empty, squeeze = 0.002, 6

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, bowl: str, plate: str):
        self._bowl, self._plate = bowl, plate
        self._base = env.fixture_poses()["robot0_base"][0]
        self._chosen: tuple[np.ndarray, _Hold, float] | None = None
        centre, half = body_box(env, f"{bowl}_main")
        self._rim_height = centre[2] + half[2]  # above the bowl's origin
        super().__init__(
            env,
            rng,
            noise,
            bowl,
            self._on_plate,
            self._placed_on_plate,
            travel=0.0,
            clearance=0.06,
            tolerance=0.012,
            goal_yaw=lambda: self.grasp().yaw,
        )

    def touches(self, body: str) -> tuple[bool, bool]:
        """Contacts with so thin a wall flicker: fingers that are shut around the rim touch it."""
        if self.empty < self.opening < _AROUND:
            origin, quaternion = self.env.object_poses()[self._bowl]
            hand = Rotation.from_quat(quaternion, scalar_first=True).inv().apply(self.hand - origin)
            at_wall = abs(np.linalg.norm(hand[:2]) - _RIM) < _SLACK
            if at_wall and 0 < self._rim_height - hand[2] < 2 * _DEPTHS[0]:
                return True, True
        return super().touches(body)

    def grasp(self) -> Grasp:
        """Where to take the bowl now."""
        origin = self.env.object_poses()[self._bowl][0]
        moved = self._chosen is None or np.linalg.norm(origin - self._chosen[0]) > _REST
        if moved and not (self._chosen and self._firm):
            around = Surroundings(self.env, self._bowl)
            hold = self._choose(origin, around)
            over = around.highest(self._grasp(origin, hold).position, _NEAR) - _PALM
            self._chosen = (origin, hold, over)
            plate, walls = self.env.object_poses()[self._plate][0][2], around.highest(origin, _WALLS)
            self._travel = max(plate + _PASS, origin[2] + self._rim_height + _OVER, walls + 2 * _OVER) + self.style.lift
        _, hold, over = self._chosen
        varied = replace(hold, angle=hold.angle + self.style.along / _RIM, depth=hold.depth + 0.5 * self.style.depth)
        grasp = self._grasp(origin, varied)
        return Grasp(grasp.position, grasp.yaw + self.style.yaw, max(grasp.top, over))

    # -- where the bowl goes ------------------------------------------------------------------------------------------

    def _on_plate(self) -> np.ndarray:
        return self.env.object_poses()[self._plate][0] + [0, 0, _STANDS + 0.005]

    def _placed_on_plate(self) -> bool:
        poses = self.env.object_poses()
        offset = poses[self._bowl][0] - poses[self._plate][0]
        return bool(np.linalg.norm(offset[:2]) < _PLACED and offset[2] < _STANDS + 0.008)

    # -- how to take it -----------------------------------------------------------------------------------------------

    def lean(self) -> float:
        """An arm that points straight down would reach no further than the plate, and get stuck there, straight."""
        reach = float(np.linalg.norm((self.hand - self._base)[:2]))
        return min(_LEAN * max(reach - _STRETCH, 0.0), 0.4)

    def _choose(self, origin: np.ndarray, around: Surroundings) -> _Hold:
        """How to take the bowl. One that is held already stays held where it is."""
        if all(super().touches(f"{self._bowl}_main")):
            outwards = self.hand - origin
            return _Hold(float(np.arctan2(outwards[1], outwards[0])))

        def worth(side: float, beside: float, inward: float, depth: float) -> float:
            """Metres of room, less what leaving the grasp that is liked best is held to cost."""
            grasp = self._grasp(origin, _Hold(side + beside, inward, depth))
            room = min(around.clearance(grasp.position, grasp.yaw), _ROOM)
            shallow = 0.5 * (_DEPTHS[0] - depth)
            return room - 0.012 * (side != _SIDES[0]) - 0.005 * abs(beside) - 0.1 * inward - shallow

        options = itertools.product(_SIDES, _BESIDE, _INWARDS, _DEPTHS)
        side, *rest = max(options, key=lambda option: worth(*option))
        return _Hold(side + rest[0], *rest[1:])

    def _grasp(self, origin: np.ndarray, hold: _Hold) -> Grasp:
        top = origin[2] + self._rim_height
        place = origin[:2] + (_RIM - hold.inward) * np.array([np.cos(hold.angle), np.sin(hold.angle)])
        return Grasp(np.array([*place, top - hold.depth]), nearest_yaw(hold.angle), top)
