"""Where predicates want things: On and In, of other things, of regions of a table and of parts of furniture."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.skills.holds import Holding
from zipmo_sim.experts.surroundings import Surroundings
from zipmo_sim.suites.libero.env import LiberoEnv
from zipmo_sim.suites.libero.steps import middle

_ABOVE = 0.004  # m above what it is to stand on that a thing is let go of
_FLOOR = 0.01  # m around a spot that must be even
_SHARE = 0.75  # of a region's half sides that are used
_STEP = 0.015  # m between spots that are tried
_ROOMY = 0.8  # of a place's half side: a thing whose half length is less needs no turning
_SQUARE = 0.005  # m by which a place's sides may differ to be called equal
_FREE = 0.005  # m above the floor that stand in the way


class Destination:
    """The place that a predicate ("on" or "in", thing, where) asks for. where: another thing, or a region.

    beside: the predicates of what goes to that place, this one among them: side by side, unless walls keep it in.
    """

    def __init__(self, env: LiberoEnv, predicate: tuple[str, ...], beside: list[tuple[str, ...]]):
        self._env, self.where = env, predicate[2]
        self._region = self.where in env.robosuite.object_sites_dict
        self._inside = predicate[0] == "in"
        alone = self._inside or len(beside) == 1
        self._share = 0.0 if alone else 2 * beside.index(predicate) / (len(beside) - 1) - 1

    def middle(self) -> np.ndarray:
        """Position [3] of the region's middle, or of the other thing's origin."""
        return middle(self._env.robosuite, self.where)

    def half(self) -> np.ndarray:
        """Half sides [2] of where a thing's origin may be, along x and y of the world, m; nothing to choose: zeros."""
        if not self._region:
            return np.zeros(2)
        site = self._env.robosuite.object_sites_dict[self.where]
        return np.abs(self._env.sim.data.get_site_xmat(self.where) @ site.size)[:2]

    def is_tight(self, held: Holding) -> bool:
        """Whether a thing fits into this place one way alone."""
        half = self.half()
        return bool(self._inside and half.any() and np.linalg.norm(held.sides()[1]) > _ROOMY * half.min())

    def turn(self, held: Holding) -> float:
        """How far a thing must be turned about the vertical (rad) to fit: nothing where there is room either way."""
        if not self.is_tight(held):
            return 0.0
        half, long = self.half(), held.sides()[1]
        now = np.arctan2(long[1], long[0])
        wanted = np.pi / 2 if half[1] >= half[0] else 0.0
        fold = np.pi / 2 if np.ptp(half) < _SQUARE else np.pi
        return float((wanted - now + fold / 2) % fold - fold / 2)

    def spots(self, held: Holding, turn: float) -> list[np.ndarray]:
        """Where a thing may be let go of: positions [3] of its origin, for one that stands upright, the best first.

        The middle, or its share of the place, or what is free and nearest to that. turn: of this place, see there.
        """
        around, middle, (position, axes) = Surroundings(self._env, held.thing), self.middle(), held.pose()
        turned = Rotation.from_rotvec([0, 0, turn]).as_matrix()
        off, edges = (turned @ axes @ held.box[0])[:2], held.sides() @ turned[:2, :2].T
        bottom = held.extent()[0] - position[2]
        reach = _SHARE * self.half()
        if self.is_tight(held):  # not the thing's origin, its middle goes there
            middle[:2] -= off
        middle[:2] += self._share * np.clip(2 * edges[0], -reach, reach)
        xs, ys = (np.arange(-(side // _STEP), side // _STEP + 1) * _STEP for side in reach)
        offsets = np.array([[x, y] for x in xs for y in ys])
        floor = around.highest(middle, _FLOOR)
        places = middle[:2] + offsets[np.argsort(np.linalg.norm(offsets, axis=1))]
        inside = (np.abs(places - self.middle()[:2]) <= reach + _FREE).all(1)
        free = [at for at in places[inside] if around.gap(at + off, edges, floor + _FREE) > 0]
        if self.is_tight(held):
            free = []
        return [
            np.array([*at, around.highest(np.array([*at, 0.0]), _FLOOR) - bottom + _ABOVE])
            for at in free or [middle[:2]]
        ]
