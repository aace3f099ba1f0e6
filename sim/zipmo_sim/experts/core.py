"""Building blocks of scripted experts: steering the hand, grasp geometry, and pick and place.

What to do is computed from the present state alone wherever that is possible, so an expert can also label states
that another policy has led to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.env import ManipulationEnv

HOME_YAW = np.pi / 2  # direction in which the fingers close in the arm's home position
_GAIN = 1.6
_MAX_WIDTH = 0.074  # m, the widest thing to grasp; the hand opens to 0.08
_OPEN = 0.066  # m between the fingers
_OTHER = 0.4  # share of the wrong places that are over another object
_NOISE_STEPS = 8.0  # time constant of the disturbance


class Phase(Enum):
    """How delicate the present motion is; the value scales the disturbance."""

    MOVE = 1.0
    SLOW = 0.4
    HOLD = 0.15


@dataclass(frozen=True)
class Style:
    """What varies from demonstration to demonstration.

    speed, slow: largest command while moving and while descending. bend: sideways share of long moves.
    along: shift of the grasp along the fingers' flat side, m. depth: of the grasp, m. yaw: rad. lift: m.
    """

    speed: float
    slow: float
    bend: float
    along: float
    depth: float
    yaw: float
    lift: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Style":
        low = (0.75, 0.40, -0.25, -0.004, -0.004, -0.05, 0.0)
        high = (1.00, 0.60, 0.25, 0.004, 0.004, 0.05, 0.025)
        return cls(*rng.uniform(low, high).tolist())


@dataclass(frozen=True)
class Grasp:
    """position: of the grip site, m. yaw: direction in which the fingers close, rad. top: of the object, m."""

    position: np.ndarray
    yaw: float
    top: float


class Expert:
    """Base of experts: act() gives the clean action, disturb() what to execute instead.

    noise: standard deviation of an Ornstein-Uhlenbeck disturbance, in units of action.
    """

    def __init__(self, env: ManipulationEnv, rng: np.random.Generator, noise: float = 0.0):
        self.env = env
        self.rng = rng
        self.noise = noise
        self.style = Style.draw(rng)
        self.phase = Phase.MOVE
        self._drift = np.zeros(6)

    @property
    def done(self) -> bool:
        """Whether the task is solved."""
        return self.env.success()

    def act(self) -> np.ndarray:
        """The clean action [7] for the present state."""
        raise NotImplementedError

    def wrong_place(self) -> np.ndarray:
        """A position [3] beside the goal of the first approach, for starts that need recovery."""
        raise NotImplementedError

    def disturb(self, action: np.ndarray) -> np.ndarray:
        """The action [7] to execute: the clean one plus correlated noise, less of it in delicate phases."""
        keep = np.exp(-1 / _NOISE_STEPS)
        kick = np.sqrt(1 - keep**2) * self.noise
        self._drift = keep * self._drift + kick * self.rng.standard_normal(6)
        disturbed = action.copy()
        disturbed[:6] += self.phase.value * self._drift * (1, 1, 1, 0.4, 0.4, 0.4)
        return np.clip(disturbed, -1, 1)

    def displace(self, steps: int = 40) -> None:
        """Take the hand to a wrong place, then call that the episode's beginning."""
        place = self.wrong_place()
        shut = self.rng.random() < 0.3
        hover = place[2] + 0.05
        travel = max(hover, self.hand[2])
        for _ in range(steps):
            self.env.step(self.approach(place, HOME_YAW, shut, hover, travel, tolerance=0.02))
            if np.linalg.norm(self.hand - place) < 0.01:
                break
        self.env.begin()

    # -- the hand -------------------------------------------------------------------------------------------------

    @property
    def hand(self) -> np.ndarray:
        """Position of the grip site [3]."""
        return self.env.eef_pose()[0]

    def lean(self) -> float:
        """How far the hand points outwards instead of down now, rad: turned about the direction in which it closes."""
        return 0.0

    @property
    def opening(self) -> float:
        """Metres between the fingers, 0 .. 0.08."""
        return float(np.abs(self.env.proprio()[7:]).sum())

    def steer(self, target: np.ndarray, yaw: float, shut: bool, speed: float | None = None) -> np.ndarray:
        """P control of the grip site towards target [3], pointing down but for lean(), closing in direction yaw."""
        return self.steer_to(target, pointing_down(yaw, self.lean()), shut, speed)

    def steer_to(self, target: np.ndarray, attitude: np.ndarray, shut: bool, speed: float | None = None) -> np.ndarray:
        """P control of the grip site towards target [3] and the attitude [3, 3] (world frame)."""
        limit = self.style.speed if speed is None else speed
        position, rotation = self.env.eef_pose()
        robot = self.env.robot
        move = _limit(_GAIN * (target - position) / robot.translation_m, limit)
        turn = _limit(_turn(rotation, attitude) / robot.rotation_rad, 0.6 * limit)
        return np.concatenate([move, turn, [1.0 if shut else -1.0]])

    def approach(
        self, target: np.ndarray, yaw: float, shut: bool, hover: float, travel: float, tolerance: float = 0.005
    ) -> np.ndarray:
        """Go to target [3] from above: long ways at height travel, align at height hover, then descend slowly.

        A hand that is low in the wrong place rises before it moves sideways. Sets phase.
        """
        position, rotation = self.env.eef_pose()
        offset = target[:2] - position[:2]
        distance = np.linalg.norm(offset)
        twist = abs(_turn(rotation, pointing_down(yaw, self.lean()))[2])
        low = position[2] < hover - 0.01
        slack = 3.0 if low else 1.0  # once on the way down, small errors are corrected there
        ready = shut or self.opening > _OPEN
        if ready and distance < slack * tolerance and twist < slack * 0.08:
            self.phase = Phase.SLOW
            return self.steer(target, yaw, shut, self.style.slow)
        self.phase = Phase.MOVE if distance > 0.03 else Phase.SLOW
        height = hover + (travel - hover) * np.clip((distance - 0.03) / 0.08, 0, 1)
        free = np.clip(1 - (height - position[2] - 0.015) / 0.03, 0, 1)
        bend = self.style.bend * np.clip((distance - 0.05) / 0.1, 0, 1)
        path = free * (offset + bend * np.array([-offset[1], offset[0]]))
        return self.steer(np.array([*(position[:2] + path), height]), yaw, shut)

    def touches(self, body: str) -> tuple[bool, bool]:
        """Whether the first and the second finger touch a body or its children."""
        model, data = self.env.sim.model._model, self.env.sim.data._data
        root = self.env.sim.model.body_name2id(body)
        fingers = [self.env.sim.model.body_name2id(f"gripper0_{side}finger") for side in ("left", "right")]
        found = [False, False]
        for contact in data.contact:
            chains = [_ancestors(model, model.geom_bodyid[geom]) for geom in contact.geom]
            for one, other in (chains, chains[::-1]):
                for index, finger in enumerate(fingers):
                    found[index] |= root in one and finger in other
        return found[0], found[1]


def _ancestors(model, body: int) -> list[int]:
    chain = [body]
    while body:
        body = model.body_parentid[body]
        chain.append(body)
    return chain


def _limit(vector: np.ndarray, norm: float) -> np.ndarray:
    return vector * min(1.0, norm / max(np.linalg.norm(vector), 1e-9))


def pointing_down(yaw: float, lean: float = 0.0) -> np.ndarray:
    """Attitude [3, 3] of a hand that closes in direction yaw and points down, or `lean` (rad) outwards of that."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    down = np.array([[cos, sin, 0], [sin, -cos, 0], [0, 0, -1]])
    return down @ Rotation.from_euler("x", -lean).as_matrix()


def _turn(rotation: np.ndarray, attitude: np.ndarray) -> np.ndarray:
    """Rotation vector [3] (world frame, rad) from one attitude [3, 3] to another."""
    return Rotation.from_matrix(attitude @ rotation.T).as_rotvec()


def nearest_yaw(axis_yaw: float, fold: float = np.pi) -> float:
    """The yaw that closes the fingers along an axis (periodic in fold) with the least turn of the wrist.

    Ties are broken the same way every time (turns lie in -1/3 fold .. 2/3 fold of the half-turn case), because
    demonstrations that turn either way at random would teach the mean of both, which is neither.
    """
    lowest = -fold / 2 if fold < np.pi else -fold / 3
    return HOME_YAW + (axis_yaw - HOME_YAW - lowest) % fold + lowest


def body_box(env: ManipulationEnv, body: str) -> tuple[np.ndarray, np.ndarray]:
    """Bounding box of a body's collision geoms, children included, in the body's frame: (centre [3], half [3]) m."""
    model, data = env.sim.model._model, env.sim.data._data
    root = env.sim.model.body_name2id(body)
    origin, frame = data.xpos[root], data.xmat[root].reshape(3, 3)
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
    corners = []
    for geom in range(model.ngeom):
        collides = model.geom_contype[geom] or model.geom_conaffinity[geom]
        if collides and root in _ancestors(model, model.geom_bodyid[geom]):
            local = model.geom_aabb[geom, :3] + signs * model.geom_aabb[geom, 3:]
            world = data.geom_xpos[geom] + local @ data.geom_xmat[geom].reshape(3, 3).T
            corners.append((world - origin) @ frame)
    points = np.concatenate(corners)
    low, high = points.min(0), points.max(0)
    return (low + high) / 2, (high - low) / 2


def top_grasp(
    pose: tuple[np.ndarray, np.ndarray], box: tuple[np.ndarray, np.ndarray], style: Style, turned: bool = False
) -> Grasp:
    """Grasp an object's box from above, across its narrower side.

    pose: position [3], quaternion wxyz [4]. Sides that differ by less than 1 cm count as equal, and then the one that
    needs the least turn of the wrist is taken. turned: the object is a solid of revolution, so while it stands on its
    end (its local z is up) the wrist need not turn at all: its rotation can't be seen, and so not be learned.
    Raises ValueError if both sides are wider than the hand opens.
    """
    position, quaternion = pose
    centre, half = box
    axes = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
    middle = position + axes @ centre
    upright = int(np.argmax(np.abs(axes[2])))
    first, second = (axis for axis in range(3) if axis != upright)
    yaws = {axis: float(np.arctan2(axes[1, axis], axes[0, axis])) for axis in (first, second)}
    narrow = first if half[first] <= half[second] else second
    if 2 * half[narrow] > _MAX_WIDTH:
        raise ValueError(f"an object {2 * half[narrow]:.3f} m wide does not fit between the fingers")
    if turned and upright == 2:
        yaw = HOME_YAW
    elif abs(half[first] - half[second]) < 0.005 and 2 * max(half[first], half[second]) < _MAX_WIDTH:
        yaw = nearest_yaw(yaws[narrow], np.pi / 2)
    else:
        yaw = nearest_yaw(yaws[narrow])
    top = middle[2] + half[upright]
    depth = min(0.03 + style.depth, half[upright])
    flat = np.array([-np.sin(yaw), np.cos(yaw)])
    site = np.array([*(middle[:2] + style.along * flat), top - depth])
    return Grasp(site, yaw + style.yaw, float(top))


class PickPlace(Expert):
    """Grasp one free object from above and let go of it at a place.

    body: name in env.object_poses(). goal: () -> position [3] that the object's origin should have when released.
    goal_yaw: () -> yaw of the hand there. placed: () -> whether the object is where it should be, hand or no hand.
    travel: height (m, world) at which the hand passes over everything; clearance: the object's lift above goal while
    it is not yet over it. tolerance: of the release, horizontally, m. turned: as in top_grasp.
    """

    empty = 0.006  # m between the fingers when they have closed on nothing
    squeeze = 3  # steps for which both fingers have to touch the object before it is lifted

    def __init__(
        self,
        env: ManipulationEnv,
        rng: np.random.Generator,
        noise: float,
        body: str,
        goal: Callable[[], np.ndarray],
        placed: Callable[[], bool],
        travel: float,
        clearance: float,
        tolerance: float,
        goal_yaw: Callable[[], float] = lambda: HOME_YAW,
        turned: bool = False,
    ):
        super().__init__(env, rng, noise)
        self._body, self._root = body, f"{body}_main"
        self._goal, self._goal_yaw, self._placed = goal, goal_yaw, placed
        self._travel = travel + self.style.lift
        self._clearance, self._tolerance = clearance, tolerance
        self._box = body_box(env, self._root)
        self._turned = turned
        self._firm = 0  # steps for which both fingers have touched the object
        self._closing = self._reopen = False

    def grasp(self) -> Grasp:
        """Where to take the object now."""
        return top_grasp(self.env.object_poses()[self._body], self._box, self.style, self._turned)

    def wrong_place(self) -> np.ndarray:
        """Low beside the object, or over another one, from which a hand has to rise and go to the right one."""
        others = [name for name in self.env.object_poses() if name != self._body]
        if others and self.rng.random() < _OTHER:
            other = str(self.rng.choice(others))
            centre, half = body_box(self.env, f"{other}_main")
            position, quaternion = self.env.object_poses()[other]
            turn = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
            top = np.abs(turn[2]) @ half
            return position + turn @ centre + [*self.rng.uniform(-0.03, 0.03, 2), top + self.rng.uniform(0.0, 0.06)]
        angle, radius = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(0.02, 0.07)
        beside = radius * np.array([np.cos(angle), np.sin(angle)])
        return self.grasp().position + np.array([*beside, self.rng.uniform(0.0, 0.06)])

    def act(self) -> np.ndarray:
        touching = all(self.touches(self._root))
        self._firm = self._firm + 1 if touching else 0
        lifted = self.hand[2] > self.grasp().position[2] - 0.02 and self._firm >= self.squeeze
        if self._placed() and not (touching and not self._over_goal()):
            return self._retreat()
        self._closing &= not lifted
        return self._carry() if lifted else self._fetch()

    def _error(self) -> np.ndarray:
        return self._goal() - self.env.object_poses()[self._body][0]

    def _over_goal(self) -> bool:
        return float(np.linalg.norm(self._error()[:2])) < 1.5 * self._tolerance

    def _retreat(self) -> np.ndarray:
        """Let go, and rise once the object is free."""
        self.phase = Phase.HOLD
        rise = 0.0 if any(self.touches(self._root)) else 0.04
        return self.steer(self.hand + np.array([0, 0, rise]), self._goal_yaw(), shut=False)

    def _carry(self) -> np.ndarray:
        error = self._error()
        if np.linalg.norm(error[:2]) < self._tolerance and error[2] > -0.006:
            self.phase = Phase.HOLD
            return self.steer(self.hand, self._goal_yaw(), shut=False)
        target = self.hand + error
        hover = target[2] + self._clearance
        travel = max(hover, self._travel)
        return self.approach(target, self._goal_yaw(), True, hover, travel, self._tolerance)

    def _fetch(self) -> np.ndarray:
        grasp = self.grasp()
        hover = grasp.top + 0.035 + 0.5 * self.style.lift
        self._reopen = self.opening < self.empty or (self._reopen and self.opening < _OPEN)
        if self._reopen:  # closed on nothing: rise, open, align again
            self._closing = False
            self.phase = Phase.SLOW
            return self.steer(np.array([*self.hand[:2], max(hover, self.hand[2])]), grasp.yaw, shut=False)
        offset = np.abs(self.hand - grasp.position)
        reach = 0.025 if self._closing else 0.009
        self._closing = bool(offset.max() < reach and (self._closing or self.opening > _OPEN or self._firm))
        if self._closing:
            self.phase = Phase.HOLD
            return self.steer(grasp.position, grasp.yaw, shut=True, speed=0.15)
        return self.approach(grasp.position, grasp.yaw, False, hover, max(hover, self._travel))
