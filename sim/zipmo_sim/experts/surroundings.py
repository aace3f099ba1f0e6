"""Room for the hand: how close it would come to what stands around the thing to grasp."""

import numpy as np

from zipmo_sim.env import ManipulationEnv

TIP = 0.012  # m from the grip site down to the finger tips, with some room
# Boxes that hold the open hand, from the grip site, m: lower end, then from-to along the closing direction and along
# the fingers' flat side. Each reaches up without end, because the hand comes down from above. Fingers widen upwards.
_FINGERS = ((-TIP, 0.056), (0.006, 0.059), (0.014, 0.062), (0.022, 0.066))  # lower end, outer face
_HAND = (
    *((low, 0.034, outer, -0.011, 0.011) for low, outer in _FINGERS),
    *((low, -outer, -0.034, -0.011, 0.011) for low, outer in _FINGERS),
    (0.028, -0.106, 0.106, -0.033, 0.033),  # the palm
    (0.13, -0.07, 0.07, -0.152, 0.06),  # the wrist
)
_CORNERS = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
_UPRIGHT = 0.3  # an axis whose horizontal part is shorter says nothing about a footprint


class Surroundings:
    """Boxes of all collision geoms, as they stand now, but the robot's and those of one thing. Heights in m, world."""

    def __init__(self, env: ManipulationEnv, thing: str):
        import mujoco

        model, data = env.sim.model._model, env.sim.data._data
        roots = model.body_rootid[model.geom_bodyid]
        names = np.array([env.sim.model.body_id2name(root) or "" for root in roots])
        own = np.char.startswith(names, "robot0_") | (names == f"{thing}_main")
        collides = (model.geom_contype | model.geom_conaffinity) > 0
        geoms = np.flatnonzero(collides & ~own & (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE))
        frames = data.geom_xmat[geoms].reshape(-1, 3, 3)
        centre, half = model.geom_aabb[geoms, None, :3], model.geom_aabb[geoms, None, 3:]
        corners = (centre + _CORNERS * half) @ frames.transpose(0, 2, 1) + data.geom_xpos[geoms, None]
        self._footprints, self._tops = corners[..., :2], corners[..., 2].max(1)
        sides = frames[:, :2].transpose(0, 2, 1)  # horizontal parts of the three axes of each geom [G, 3, 2]
        length = np.linalg.norm(sides, axis=2, keepdims=True)
        self._sides = np.where(length > _UPRIGHT, sides / np.maximum(length, 1e-9), (1.0, 0.0))  # or any axis

    def clearance(self, position: np.ndarray, yaw: float) -> float:
        """Least horizontal distance (m) of the open hand from anything, grip site at position [3], pointing down.

        Fingers close in direction yaw. Negative if they overlap; a lower bound of the distance otherwise.
        """
        closing, flat = np.array([np.cos(yaw), np.sin(yaw)]), np.array([np.sin(yaw), -np.cos(yaw)])
        least = np.inf
        for bottom, *spans in _HAND:
            tall = self._tops > position[2] + bottom
            if tall.any():
                (first, last), (near, far) = spans[:2], spans[2:]
                middle = position[:2] + (first + last) / 2 * closing + (near + far) / 2 * flat
                edges = np.stack([(last - first) / 2 * closing, (far - near) / 2 * flat])
                least = min(least, self._gaps(tall, middle, edges).min())
        return float(least)

    def _gaps(self, chosen: np.ndarray, middle: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Distances [n] of chosen footprints from a rectangle: the widest gap along the sides of either."""
        hand = np.broadcast_to(edges / np.linalg.norm(edges, axis=1, keepdims=True), (chosen.sum(), 2, 2))
        axes = np.concatenate([hand, self._sides[chosen]], axis=1)  # [n, 5, 2]
        along = (self._footprints[chosen] - middle) @ axes.transpose(0, 2, 1)  # [n, 8, 5]
        reach = np.abs(axes @ edges.T).sum(2)  # [n, 5]
        return np.maximum(along.min(1) - reach, -along.max(1) - reach).max(1)

    def gap(self, middle: np.ndarray, edges: np.ndarray, above: float) -> float:
        """Least horizontal distance (m) of a rectangle from all that is higher. edges [2, 2]: half sides, as rows."""
        tall = self._tops > above
        return float(self._gaps(tall, middle, edges).min(initial=np.inf))

    def highest(self, position: np.ndarray, radius: float) -> float:
        """The highest point (m) of what reaches into a square of 2 radius around a position; -inf for nothing."""
        gaps = self._gaps(np.full(len(self._tops), True), position[:2], radius * np.eye(2))
        return float(self._tops[gaps < 0].max(initial=-np.inf))
