"""Exact point tracks from simulator states: no tracker, no rendering, only rays, rigid bodies and a pinhole camera.

A pixel is lifted onto the surface that a ray through it meets first, which makes it a point of one rigid body. The
body's pose in the states that follow then says where the point goes, and the camera's pose where that is in the image.
Rigid bodies only; reflections and transparency are ignored.

Coordinates are (y, x) in [-1, 1], y pointing down, x to the right: y = (row + 0.5) / height * 2 - 1 for pixel centres.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from einops import einsum, rearrange, repeat

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON

POINTS = 160
TOLERANCE = 0.015
"""Metres: a surface has to lie this much nearer than a point to hide it."""
LIMIT = 4.0
"""Tracks are clipped here: a point far outside the frame, or behind the camera, has no position worth learning."""

_VISIBLE_GEOMS = np.array([0, 1, 1, 0, 0, 0], np.uint8)  # robosuite: group 0 collision, group 1 visual
_FAR = 50.0  # metres to the backdrop, for rays that meet nothing
_NEAR = 0.005  # metres; nothing nearer is projected
_BODY_MOTION = 0.005  # metres (or radians / 10): a body that stays within this doesn't move
_MOVING_PIXELS = 2.0
_PROPOSALS = 8  # proposals for each wanted point on a moving body, before those outside the frame are dropped


@dataclass(frozen=True)
class Window:
    """Tracks of one view, starting at one step.

    tracks: float32 [P, T, 2], clipped to [-LIMIT, LIMIT]; sample 0 is the query point. visible: bool [P, T]: inside the
    frame, and nothing lies in front. moving: bool [P]: its image moves by more than 2 pixels of a 128-pixel frame.
    """

    tracks: np.ndarray
    visible: np.ndarray
    moving: np.ndarray


class ExactTracker:
    """Follows points through one episode's states, on a private MjData, so that the environment isn't disturbed.

    model: mujoco.MjModel with the episode's fixture poses in it. states: float64 [S, 1 + nq + nv], flattened as
    robosuite does (time, qpos, qvel). cameras: {view: camera name}.
    Raises: ValueError for states of another length than the model's, or a camera that it lacks.
    """

    def __init__(self, model: mujoco.MjModel, states: np.ndarray, cameras: dict[str, str]):
        states = np.asarray(states, np.float64)
        length = 1 + model.nq + model.nv
        if states.ndim != 2 or states.shape[1] != length:
            raise ValueError(f"states must be [steps, {length}] for this model, got {states.shape}")
        self._model, self._data = model, mujoco.MjData(model)
        self._qpos = states[:, 1 : 1 + model.nq]
        self._cameras = {view: _camera(model, name) for view, name in cameras.items()}
        steps = len(states)
        self._body_pos = np.empty((steps, model.nbody, 3))
        self._body_mat = np.empty((steps, model.nbody, 3, 3))
        self._cam_pos = np.empty((steps, model.ncam, 3))
        self._cam_mat = np.empty((steps, model.ncam, 3, 3))
        for step in range(steps):
            self._pose(step)
            self._body_pos[step] = self._data.xpos
            self._body_mat[step] = self._data.xmat.reshape(-1, 3, 3)
            self._cam_pos[step] = self._data.cam_xpos
            self._cam_mat[step] = self._data.cam_xmat.reshape(-1, 3, 3)

    def __len__(self) -> int:
        return len(self._qpos)

    def window(
        self, view: str, step: int, rng: np.random.Generator, depths: dict[int, np.ndarray] | None = None
    ) -> Window:
        """Draw POINTS in the frame at `step` and follow them for HORIZON steps; the last state repeats at the end.

        Half of the points lie uniformly in the image, half on bodies that move while the window lasts, as far as any
        are in sight (the rest is uniform too).

        depths: {step: float32 [size, size] metres along the optical axis} for steps that were rendered. Visibility then
        comes from these images, a step between two rendered ones taking the one before; without, from exact rays.
        """
        steps = np.minimum(step + np.arange(HORIZON), len(self) - 1)
        _, bodies, local = self._draw(view, steps, rng)
        world = self._world(bodies, local, steps)
        tracks, depth = self._project(view, world, steps)
        inside = (np.abs(tracks) <= 1.0).all(-1) & (depth > _NEAR)
        if depths is None:
            seen = self._seen_by_rays(view, world, steps, inside)
        else:
            seen = _seen_in_depths(tracks, depth, steps, inside, depths)
        seen[:, 0] = inside[:, 0]  # a ray from this very pixel found the point
        travel = np.abs(tracks - tracks[:, :1]).max((1, 2)) * (IMAGE_SIZE / 2)  # its pixels span 2 units
        tracks = np.clip(tracks, -LIMIT, LIMIT).astype(np.float32)
        return Window(tracks, inside & seen, travel > _MOVING_PIXELS)

    def follow(self, view: str, step: int, queries: np.ndarray) -> np.ndarray:
        """Tracks float64 [P, HORIZON, 2] of given query points [P, 2] in the frame at `step`, not clipped."""
        steps = np.minimum(step + np.arange(HORIZON), len(self) - 1)
        bodies, local = self.lift(view, step, np.asarray(queries, np.float64))
        return self._project(view, self._world(bodies, local, steps), steps)[0]

    def lift(self, view: str, step: int, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The body that each query point [P, 2] shows at `step`, int [P], and the point in its frame, [P, 3] metres."""
        self._pose(step)
        camera = self._cameras[view]
        origin, rotation = self._cam_pos[step, camera], self._cam_mat[step, camera]
        rays = self._rays(camera, queries) @ rotation.T
        geoms, distance = self._cast(origin, rays)
        bodies = np.where(geoms < 0, 0, self._model.geom_bodyid[geoms])
        world = origin + rays * np.where(geoms < 0, _FAR, distance)[:, None]
        offset = world - self._body_pos[step, bodies]
        return bodies, einsum(self._body_mat[step, bodies], offset, "p world body, p world -> p body")

    def locate(self, view: str, world: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """(y, x) [P, T, 2], not clipped, of points [P, T, 3] (m) at steps [T]; NaN behind the camera."""
        places, depth = self._project(view, world, steps)
        return np.where(depth[..., None] > _NEAR, places, np.nan)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _draw(
        self, view: str, steps: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Query points [P, 2] with the bodies [P] that they lie on and their places in the bodies' frames [P, 3]."""
        wanted, step = POINTS // 2, int(steps[0])
        moving = self._moving_bodies(view, steps)
        proposals = self._propose(view, step, moving, wanted * _PROPOSALS, rng)
        drawn = []
        # A ray is the dear part (5 to 30 us), so only as many proposals are tried as may be needed.
        for _ in range(2):
            tried, proposals = np.split(proposals, [min(len(proposals), wanted + wanted // 4)])
            bodies, local = self.lift(view, step, tried)
            hits = np.flatnonzero(moving[bodies])[:wanted]
            drawn.append((tried[hits], bodies[hits], local[hits]))
            wanted -= len(hits)
        uniform = rng.uniform(-1.0, 1.0, (POINTS - sum(len(queries) for queries, _, _ in drawn), 2))
        drawn.append((uniform, *self.lift(view, step, uniform)))
        return tuple(np.concatenate(parts) for parts in zip(*drawn, strict=True))

    def _moving_bodies(self, view: str, steps: np.ndarray) -> np.ndarray:
        """bool [bodies]: not fixed to the world, and moving in the world or (for a camera that moves) past it."""
        pos, mat, camera = self._body_pos[steps], self._body_mat[steps], self._cameras[view]
        moves = _displacement(pos, mat) > _BODY_MOTION
        if _displacement(self._cam_pos[steps], self._cam_mat[steps])[camera] > _BODY_MOTION:
            moves |= True
        return moves & (self._model.body_weldid != 0)

    def _propose(self, view: str, step: int, moving: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Projections [<=count, 2] of random points in the boxes around geoms of moving bodies, those in the frame.

        Every kinematic tree (the robot, each object) gets the same share, however small it looks.
        """
        model = self._model
        geoms = np.flatnonzero(moving[model.geom_bodyid] & (_VISIBLE_GEOMS[model.geom_group] > 0))
        if not len(geoms):
            return np.empty((0, 2))
        trees = model.body_rootid[model.geom_bodyid[geoms]]
        names, sizes = np.unique(trees, return_counts=True)
        share = 1.0 / (len(names) * sizes[np.searchsorted(names, trees)])
        chosen = rng.choice(geoms, count, p=share / share.sum())
        box = model.geom_aabb[chosen]
        inside = box[:, :3] + box[:, 3:] * rng.uniform(-0.95, 0.95, (count, 3))
        self._pose(step)
        turn = self._data.geom_xmat[chosen].reshape(-1, 3, 3)
        world = self._data.geom_xpos[chosen] + einsum(turn, inside, "p world geom, p geom -> p world")
        pixels, depth = self._project(view, world[:, None], np.array([step]))
        return pixels[:, 0][(np.abs(pixels[:, 0]) <= 1.0).all(-1) & (depth[:, 0] > _NEAR)]

    # -- geometry -----------------------------------------------------------------------------------------------------

    def _pose(self, step: int) -> None:
        self._data.qpos[:] = self._qpos[step]
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def _rays(self, camera: int, queries: np.ndarray) -> np.ndarray:
        """Rays [P, 3] in the camera's frame (x right, y up, looking along -z), one metre deep."""
        slope = np.tan(np.deg2rad(self._model.cam_fovy[camera]) / 2)
        return np.stack([queries[:, 1] * slope, -queries[:, 0] * slope, -np.ones(len(queries))], axis=-1)

    def _cast(self, origin: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First geom along each ray, int [P] (-1: none), and the multiple of the ray at which it lies, [P]."""
        geoms, distance = np.full(len(rays), -1), np.full(len(rays), -1.0)
        geom = np.empty(1, np.int32)
        # One call a ray: mj_multiRay of mujoco 3.8 misses the gripper and returns what lies behind it.
        for index, ray in enumerate(np.ascontiguousarray(rays)):
            distance[index] = mujoco.mj_ray(self._model, self._data, origin, ray, _VISIBLE_GEOMS, 1, -1, geom)
            geoms[index] = geom[0]
        return geoms, distance

    def _world(self, bodies: np.ndarray, local: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Positions [P, T, 3] of body points [P, 3] at steps [T]."""
        turn, shift = self._body_mat[steps][:, bodies], self._body_pos[steps][:, bodies]
        return einsum(turn, local, "t p world body, p body -> p t world") + rearrange(shift, "t p w -> p t w")

    def _project(self, view: str, world: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y, x) [P, T, 2] and depth [P, T] (m along the optical axis, negative behind) of points [P, T, 3]."""
        camera = self._cameras[view]
        offset = world - self._cam_pos[steps, camera]
        local = einsum(self._cam_mat[steps, camera], offset, "t world cam, p t world -> p t cam")
        depth = -local[..., 2]
        scale = np.tan(np.deg2rad(self._model.cam_fovy[camera]) / 2) * np.maximum(depth, _NEAR)
        return np.stack([-local[..., 1] / scale, local[..., 0] / scale], axis=-1), depth

    def _seen_by_rays(self, view: str, world: np.ndarray, steps: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """bool [P, T]: no visual geom lies more than TOLERANCE in front of the point."""
        seen, camera = np.zeros(inside.shape, bool), self._cameras[view]
        for step in np.unique(steps):
            self._pose(step)
            origin = self._cam_pos[step, camera]
            first = int(np.argmax(steps == step))
            rows = np.flatnonzero(inside[:, first])
            rays = world[rows, first] - origin
            _, nearest = self._cast(origin, rays)
            clear = (nearest < 0) | ((1.0 - nearest) * np.linalg.norm(rays, axis=-1) <= TOLERANCE)
            seen[np.ix_(rows, steps == step)] = repeat(clear, "p -> p t", t=int((steps == step).sum()))
        return seen


def _seen_in_depths(
    tracks: np.ndarray, depth: np.ndarray, steps: np.ndarray, inside: np.ndarray, depths: dict[int, np.ndarray]
) -> np.ndarray:
    """bool [P, T] from depth images: not behind the farthest of the 3 x 3 pixels around, which forgives silhouettes."""
    rendered = np.array(sorted(depths))
    sources = rendered[np.searchsorted(rendered, steps, side="right") - 1]
    seen = np.zeros(inside.shape, bool)
    for source in np.unique(sources):
        columns = sources == source
        column = int(np.argmax(columns))  # the step of the image itself, or the first one after it
        image = depths[int(source)]
        pixel = np.clip(((tracks[:, column] + 1) * len(image) / 2).astype(int), 1, len(image) - 2)
        around = np.max([image[pixel[:, 0] + i, pixel[:, 1] + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
        seen[:, columns] = (depth[:, column] <= around + TOLERANCE)[:, None]
    return seen


def _displacement(pos: np.ndarray, mat: np.ndarray) -> np.ndarray:
    """Largest shift from the first of T poses, [T, B, 3] and [T, B, 3, 3] -> [B]; a radian counts as 0.1 m."""
    shift = np.abs(pos - pos[0]).max((0, 2))
    turn = np.abs(mat - mat[0]).max((0, 2, 3))
    return np.maximum(shift, 0.1 * turn)


def _camera(model: mujoco.MjModel, name: str) -> int:
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, name)
    if index < 0:
        names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_CAMERA, i) for i in range(model.ncam)]
        raise ValueError(f"the model has no camera {name!r}; it has {names}")
    return index
