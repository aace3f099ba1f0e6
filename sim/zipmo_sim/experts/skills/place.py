"""Taking a thing and putting it down: On and In."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.experts.core import Grasp, Phase, PickPlace, pointing_down
from zipmo_sim.experts.skills.destination import Destination
from zipmo_sim.experts.skills.holds import Hold, Holding, Rim
from zipmo_sim.experts.skills.skill import UP, Skill
from zipmo_sim.experts.surroundings import Surroundings
from zipmo_sim.suites.libero.env import LiberoEnv

_REST = 0.02  # m by which a thing moves before its hold is chosen anew
_AROUND = 0.016  # m between the fingers at most, when they hold a wall
_SLACK = 0.012  # m between the hand and the middle of the wall that it holds, at most
_OVER = 0.04  # m between what is carried and what it passes over
_BESIDE = 0.02  # m around what is carried
_LANDING = 0.03  # m above where it is let go of, from where on what it touches is what it is to stand on
_FREE, _TIGHT = 0.012, 0.005  # m by which it may be aside where it is let go of
_AWAY = 0.07  # m that the hand rises before something else is begun
_CLEAR = 0.004  # m of room for the hand where it lets go
_PALM = 0.106  # m that it reaches to either side
_SLANTED = 0.15  # m above where a tilted hand grips from which on it comes from aside
_LOW = 0.02  # m that it may be let go of higher up, before another spot is looked for
_LIFTS = np.arange(0.0, 0.25, 0.01)  # m, how much higher it lets go where there is no room


class PlaceSkill(Skill, PickPlace):
    """Take one thing, carry it over everything, and let go of it where the predicate asks for."""

    def __init__(self, env: LiberoEnv, rng: np.random.Generator, noise: float, predicate: tuple[str, ...]):
        self._predicate = predicate
        thing = predicate[1]
        beside = [other for other in env.predicates if other[2:] == predicate[2:]]
        self._held, self._place = Holding(env, thing), Destination(env, predicate, beside)
        self._chosen: tuple[np.ndarray, Hold] | None = None
        self._spot: np.ndarray | None = None  # of the thing's origin, from the middle of the place
        self._yaw = 0.0
        if isinstance(self._held.way, Rim):
            self.empty, self.squeeze = 0.002, 6
        super().__init__(
            env,
            rng,
            noise,
            thing,
            self._target,
            self._there,
            travel=0.0,
            clearance=0.0,
            tolerance=_TIGHT if self._place.is_tight(self._held) else _FREE,
            goal_yaw=self._yaw_there,
        )

    def __copy__(self) -> PlaceSkill:
        """One that remembers by itself: what the base class was given belongs to its own skill."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        twin._goal, twin._placed, twin._goal_yaw = twin._target, twin._there, twin._yaw_there
        return twin

    @property
    def finished(self) -> bool:
        away = self.hand[2] > self._held.extent()[1] + _AWAY
        return (away or self._hand_aside()) and not any(self.touches(self._root)) and self._there()

    def _hand_aside(self) -> bool:
        return bool(np.linalg.norm((self.hand - self._held.pose()[0])[:2]) > self._held.radius() + 0.12)

    # -- taking it ----------------------------------------------------------------------------------------------------

    def grasp(self) -> Grasp:
        """Where to take the thing now."""
        position = self._held.pose()[0]
        moved = self._chosen is None or np.linalg.norm(position - self._chosen[0]) > _REST
        if moved and not (self._chosen and self._firm):
            way = None
            if self._predicate[0] == "in":  # between walls
                way = self._place.spots(self._held, self._place.turn(self._held))[0] - position
            self._chosen = position, self._held.choose(way)
            around = Surroundings(self.env, self._body)
            grasp = self._held.grasp(self._chosen[1])
            self._spot = None
            self._travel = max(grasp.top, _highest(around, self.hand, position, 0.11)) + _OVER + self.style.lift
        assert self._chosen
        grasp = self._held.grasp(self._chosen[1], self.style.along)
        return replace(grasp, yaw=grasp.yaw + 0.5 * self.style.yaw)

    def touches(self, body: str) -> tuple[bool, bool]:
        """Contacts with so thin a wall flicker: fingers that are shut around the rim touch it."""
        if isinstance(self._held.way, Rim) and self._chosen and self.empty < self.opening < _AROUND:
            position, axes = self._held.pose()
            offset = axes.T @ (self.hand - position) - self._chosen[1].point
            across, below = abs(offset @ self._chosen[1].closing), abs(offset[2])
            if across < _SLACK and below < 2 * _SLACK and np.linalg.norm(offset) < 0.03:
                return True, True
        return super().touches(body)

    # -- a hand that is tilted ----------------------------------------------------------------------------------------

    @property
    def _tilt(self) -> float:
        return self._chosen[1].tilt if self._chosen else 0.0

    def _outwards(self, yaw: float) -> np.ndarray:
        """Of the two directions that a hand of this yaw closes in, the one that it is tilted to [3]."""
        assert self._chosen
        closing = self._held.pose()[1] @ self._chosen[1].closing
        across = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        return across * np.sign(across @ closing)

    def steer(self, target: np.ndarray, yaw: float, shut: bool, speed: float | None = None) -> np.ndarray:
        attitude = pointing_down(yaw, self.lean())
        if self._tilt:
            axis = np.cross(UP, self._outwards(yaw))
            attitude = Rotation.from_rotvec(self._tilt * axis).as_matrix() @ attitude
        return self.steer_to(target, attitude, shut, speed)

    def approach(self, target: np.ndarray, yaw: float, shut: bool, *heights: float, **others: float) -> np.ndarray:
        if self._tilt and not shut:  # down along the way that the hand points
            high = np.clip(self.hand[2] - target[2], 0.0, _SLANTED)
            target = target + high * np.tan(self._tilt) * self._outwards(yaw)
        return super().approach(target, yaw, shut, *heights, **others)

    # -- putting it down ----------------------------------------------------------------------------------------------

    def _target(self) -> np.ndarray:
        return self._place.middle() + (0.0 if self._spot is None else self._spot)

    def _yaw_there(self) -> float:
        return self._yaw

    def _there(self) -> bool:
        return self.env.holds(*self._predicate) and self._rests()

    def _rests(self) -> bool:
        """Whether the thing touches anything but the robot."""
        model, data = self.env.sim.model._model, self.env.sim.data._data
        root = self.env.sim.model.body_name2id(self._root)
        for contact in data.contact:
            roots = {int(model.body_rootid[model.geom_bodyid[geom]]) for geom in contact.geom}
            if root in roots and not any(self.env.sim.model.body_id2name(other).startswith("robot") for other in roots):
                return True
        return False

    def _carry(self) -> np.ndarray:
        if self._spot is None:
            self._aim()
        error = self._error()
        landed = error[2] > -_LANDING and self._rests()
        if np.linalg.norm(error[:2]) < self._tolerance and landed:
            self.phase = Phase.HOLD
            return self.steer(self.hand, self._yaw, shut=False)
        return super()._carry()

    def _aim(self) -> None:
        """Choose where exactly it goes, and how high it is carried there."""
        position = self._held.pose()[0]
        rotation = self.env.eef_pose()[1]
        turn = self._place.turn(self._held)
        self._yaw = float(np.arctan2(rotation[1, 0], rotation[0, 0])) + turn
        around = Surroundings(self.env, self._body)
        hand = Rotation.from_rotvec(turn * UP).apply(self.hand - position)  # from the thing's origin
        palm = hand - _PALM * np.sin(self._tilt) * UP

        def has_room(spot: np.ndarray, lift: float) -> bool:
            return around.clearance(spot + palm + lift * UP, self._yaw) > _CLEAR

        spots = self._place.spots(self._held, turn)
        spot = next((spot for spot in spots if has_room(spot, _LOW)), spots[0])
        spot = spot + next((lift for lift in _LIFTS if has_room(spot, lift)), _LIFTS[-1]) * UP
        self._spot = spot - self._place.middle()
        hang = self.hand[2] - self._held.extent()[0]
        wide = self._held.radius() + _BESIDE
        self._clearance = max(around.highest(spot, wide) + hang + _OVER / 2 - (spot + hand)[2], 0.03)
        self._travel = _highest(around, position, spot, wide) + hang + _OVER + self.style.lift


def _highest(around: Surroundings, start: np.ndarray, end: np.ndarray, radius: float) -> float:
    """The highest point (m) of what stands within radius of the straight way."""
    return max(around.highest(start + share * (end - start), radius) for share in np.linspace(0, 1, 12))
