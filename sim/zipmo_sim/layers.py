"""A picture in two layers: what stands still before a standing camera is drawn once, what moves anew in every frame.

Of each pixel the nearer layer shows. So a picture is the same, to the bit, as one that is drawn at once, unless
something is transparent, has softened edges, throws shadows or mirrors: then it has to be drawn at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

_RECENT = 4  # frames for which what has moved counts as moving
_BURDEN = 0.25  # share of all faces that may be drawn anew although they stand still again
# What of a raw mujoco.MjModel a picture depends on, beside where things are; textures are read once, by the context.
_LOOKS = (
    "geom_rgba", "geom_matid", "geom_group", "geom_size", "geom_dataid", "cam_fovy",
    "mat_rgba", "mat_texid", "mat_texrepeat", "mat_emission", "mat_specular", "mat_shininess",
    "light_active", "light_ambient", "light_diffuse", "light_specular",
)  # fmt: skip


class Drawing(NamedTuple):
    """image: uint8 [H, W, 3]. depth: [H, W], more is nearer."""

    image: np.ndarray
    depth: np.ndarray


@dataclass
class _Background:
    """What stood still, as drawn: without the geoms [ngeom] bool that move, the others at poses float32 [ngeom, 12]."""

    drawing: Drawing
    moving: np.ndarray
    poses: np.ndarray


def sites_seen(model: Any) -> bool:
    """Whether a site is to be seen now: those of robots never are, and a stove's burner is while it glows."""
    return bool(((model.site_rgba[:, 3] > 0) & (model.site_group < 3)).any())


class Layers:
    """Of one camera. model, data: raw mujoco.MjModel and mujoco.MjData. index: of the camera.

    draw: of the geoms [ngeom] bool that are to be drawn; called once or twice a frame.
    """

    def __init__(self, model: Any, data: Any, index: int, draw: Callable[[np.ndarray], Drawing]) -> None:
        import mujoco

        self._model, self._data, self._index, self._draw = model, data, index, draw
        mesh = model.geom_type == mujoco.mjtGeom.mjGEOM_MESH
        self._faces = np.where(mesh, model.mesh_facenum[np.maximum(model.geom_dataid, 0)] if model.nmesh else 0, 0)
        self._scene: list[bytes] = []
        self._poses = np.empty((0, 12), np.float32)
        self._moved = np.zeros(model.ngeom, int)  # in which frame
        self._frame = 0
        self._background: _Background | None = None

    def render(self, shown: np.ndarray) -> Drawing:
        """The data's current (forwarded) state. shown: geoms [ngeom] bool that are in the frame."""
        data = self._data
        poses = np.concatenate([data.geom_xpos, data.geom_xmat], axis=1).astype(np.float32)  # as MuJoCo draws them
        if not sites_seen(self._model) and self._opaque(shown) and not self._changed():
            return self._composed(shown, poses)
        self._background, self._poses, self._moved[:] = None, poses, self._frame - _RECENT
        return self._draw(shown)

    def _changed(self) -> bool:
        """Whether more than geoms are otherwise than in the frame before: the camera, a light, a look."""
        model, data, lamp = self._model, self._data, self._model.vis.headlight
        places = (data.cam_xpos[self._index], data.cam_xmat[self._index], data.light_xpos, data.light_xdir)
        looks = [getattr(model, name) for name in _LOOKS]
        lit = [np.array(part) for part in (lamp.active, lamp.ambient, lamp.diffuse, lamp.specular)]
        scene = [part.tobytes() for part in (*(place.astype(np.float32) for place in places), *looks, *lit)]
        before, self._scene = self._scene, scene
        return scene != before

    def _opaque(self, shown: np.ndarray) -> bool:
        """Whether nothing in the frame is seen through. What is not to be seen at all MuJoCo does not draw."""
        model = self._model
        own = made = model.geom_rgba[:, 3]
        if model.nmat:
            made = np.where(model.geom_matid >= 0, model.mat_rgba[model.geom_matid, 3], 1.0)
        return bool(((own == 0) | (np.minimum(own, made) >= 1))[shown].all())

    def _composed(self, shown: np.ndarray, poses: np.ndarray) -> Drawing:
        self._frame += 1
        self._moved[(poses != self._poses).any(1)] = self._frame
        self._poses = poses
        behind, moving = self._background, self._frame - self._moved < _RECENT
        if behind is None or self._stale(behind, poses, moving):
            behind = self._background = _Background(self._draw(shown & ~moving), moving, poses)
        front, back = self._draw(shown & behind.moving), behind.drawing
        image = np.where((front.depth > back.depth)[..., None], front.image, back.image)
        return Drawing(image, np.maximum(front.depth, back.depth))

    def _stale(self, behind: _Background, poses: np.ndarray, moving: np.ndarray) -> bool:
        """Whether something has moved that was drawn as standing still, or too much is drawn that stands again."""
        rests = self._faces[behind.moving & ~moving].sum()
        return bool((poses != behind.poses)[~behind.moving].any() or rests > _BURDEN * self._faces.sum())
