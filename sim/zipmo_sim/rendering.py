"""Off-screen rendering: choice of the OpenGL backend and the camera views of an environment."""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib
import os
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zipmo_ros.contract.camera import IMAGE_SIZE

if TYPE_CHECKING:
    from zipmo_sim.layers import Drawing

# A frame that shows anything at all has far more contrast; a lost context gives a constant or nearly black one.
_LEAST_CONTRAST = 8.0
_NEVER_DRAWN = 5  # a group of geoms; ViewRenderer draws 1 and 2


def select_backend() -> str:
    """Choose MuJoCo's OpenGL backend and export it; MUJOCO_GL wins if it is set.

    Must run before the first import of mujoco, which reads the variable once.

    Returns: the backend's name.
    Raises: RuntimeError if neither OSMesa nor EGL is installed, or if mujoco was imported too early.
    """
    backend = os.environ.get("MUJOCO_GL", "").lower().strip()
    if not backend:
        if ctypes.util.find_library("OSMesa"):
            backend = "osmesa"  # works from any thread, and exits more cleanly than EGL
        elif ctypes.util.find_library("EGL"):
            backend = "egl"
        else:
            raise RuntimeError(
                "no off-screen OpenGL library found: run `apt-get install libosmesa6` (or libegl1), or set MUJOCO_GL"
            )
        if "mujoco" in sys.modules:
            raise RuntimeError(
                f"mujoco was imported before its OpenGL backend was chosen: set MUJOCO_GL={backend}, or call "
                "zipmo_sim.rendering.select_backend() before the first `import mujoco`"
            )
        os.environ["MUJOCO_GL"] = backend
    if backend in ("osmesa", "egl"):
        os.environ.setdefault("PYOPENGL_PLATFORM", backend)
        # Mesa loads LLVM for all to see. Triton, which PyTorch for GPUs brings, has one of its own inside, and whoever
        # imports it later (transformers does) crashes with that of Mesa; in this order each keeps its own.
        with contextlib.suppress(ImportError):
            importlib.import_module("triton")
    return backend


@dataclass(frozen=True)
class RenderSettings:
    """What changes the look of images; demonstrations and evaluation must share it.

    size: pixels a side, or (height, width); a view wider than high shows more at its sides. samples: multisampling of
    edges (0 = off). reflections, shadows: on or off. merged: edge (m) of the cubes in which meshes are drawn with one
    vertex (see coarse.py); 0: as they are.
    """

    size: int | tuple[int, int] = IMAGE_SIZE
    samples: int = 0
    reflections: bool = False
    shadows: bool = True
    merged: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


# full: as LIBERO's own environments draw; fast: what costs most is left out; coarse: fast, with fewer faces.
LOOKS = {
    "fast": RenderSettings(),
    "full": RenderSettings(samples=4, reflections=True),
    "coarse": RenderSettings(merged=0.004),
}


class ViewRenderer:
    """Renders named cameras of a MuJoCo model to upright uint8 RGB [H, W, 3].

    model, data: raw mujoco.MjModel and mujoco.MjData. cameras: {view: camera name in the model}.
    Use it in the thread that made it. Raises RuntimeError if the first frame is blank.
    """

    def __init__(self, model, data, cameras: dict[str, str], settings: RenderSettings):
        import mujoco

        from zipmo_sim.coarse import coarse_meshes  # names of looks do without both
        from zipmo_sim.layers import Layers

        self._model, self._data = model, data
        self._cameras = dict(cameras)
        # Both are read when the context is built, so they come first.
        model.vis.quality.offsamples = settings.samples
        if not settings.reflections:
            model.mat_reflectance[:] = 0
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [0, 1, 1, 0, 0, 0]  # robosuite: group 0 collision, group 1 visual
        with coarse_meshes(model, settings.merged):
            self._renderer = mujoco.Renderer(model, *settings.shape)
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = settings.shadows
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = settings.reflections
        # What is out of the frame may still be seen in a mirror, or throw its shadow into it.
        self._culls = not settings.reflections and not (settings.shadows and model.light_castshadow.any())
        layered = self._culls and not settings.samples and not (model.ntendon or model.nskin or model.nflex)
        indices = {view: model.camera(camera).id for view, camera in self._cameras.items()} if layered else {}
        self._layers = {view: Layers(model, data, index, partial(self._draw, view)) for view, index in indices.items()}
        self._checked = False

    def views(self, chosen: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Render every camera, or those of the chosen views, at the data's current (forwarded) state."""
        images = {view: self._drawing(view).image for view in (self._cameras if chosen is None else chosen)}
        if not self._checked:
            for view, image in images.items():
                if image.std() < _LEAST_CONTRAST:
                    raise RuntimeError(
                        f"the {view} camera renders a blank image (standard deviation {image.std():.1f}): the OpenGL "
                        "context belongs to another thread or environment; use one environment per process and "
                        "create, step and close it in one thread"
                    )
            self._checked = True
        return images

    def views_and_depths(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """As views(), with what the same drawing left in the depth buffer: float32 [H, W], m along the axis."""
        drawings = {view: self._drawing(view) for view in self._cameras}
        return (
            {view: drawing.image for view, drawing in drawings.items()},
            {view: self._metres(drawing.depth) for view, drawing in drawings.items()},
        )

    def _metres(self, stored: np.ndarray) -> np.ndarray:
        model = self._model
        near, far = (model.stat.extent * plane for plane in (model.vis.map.znear, model.vis.map.zfar))
        # The buffer holds 1 at the near plane and 0 at the far one (mujoco.Renderer asks for it).
        inverse = stored.astype(np.float64) * (1 / near - 1 / far) + 1 / far
        return (1 / inverse).astype(np.float32)

    def _drawing(self, view: str) -> Drawing:
        shown = self._shown(self._cameras[view])
        return self._layers[view].render(shown) if view in self._layers else self._draw(view, shown)

    def _draw(self, view: str, shown: np.ndarray) -> Drawing:
        """Geoms [ngeom] bool at once, with what that leaves in the depth buffer: mujoco.Renderer would draw anew."""
        import mujoco

        from zipmo_sim.layers import Drawing, sites_seen

        if self._layers:  # what can't be seen would still hide what is behind it from a layer
            self._option.sitegroup[:3] = sites_seen(self._model)
        groups = self._model.geom_group.copy()
        self._model.geom_group[~shown] = _NEVER_DRAWN
        try:
            self._renderer.update_scene(self._data, camera=self._cameras[view], scene_option=self._option)
        finally:
            self._model.geom_group[:] = groups
        image, renderer = np.ascontiguousarray(self._renderer.render()), self._renderer
        depth = np.empty((renderer.height, renderer.width), np.float32)
        mujoco.mjr_readPixels(None, depth, renderer._rect, renderer._mjr_context)
        return Drawing(image, np.flipud(depth))

    def _shown(self, camera: str) -> np.ndarray:
        """Which geoms are to be drawn [ngeom] bool."""
        drawn = self._option.geomgroup[self._model.geom_group] == 1
        return drawn & self._in_frame(camera) if self._culls else drawn

    def _in_frame(self, camera: str) -> np.ndarray:
        """Which geoms may be seen by a camera [ngeom] bool: their bounding spheres reach into its frustum.

        MuJoCo sends all of their faces to OpenGL otherwise, which finds out one by one.
        """
        model, data = self._model, self._data
        index = model.camera(camera).id
        right, up, back = ((data.geom_xpos - data.cam_xpos[index]) @ data.cam_xmat[index].reshape(3, 3)).T
        radius = model.geom_rbound
        tall = np.tan(np.radians(model.cam_fovy[index]) / 2)
        wide = tall * self._renderer.width / self._renderer.height
        inside = [np.abs(x) + back * slope < radius * np.hypot(1, slope) for x, slope in ((right, wide), (up, tall))]
        return (radius == 0) | (inside[0] & inside[1] & (back < radius))  # without one: a plane

    def close(self) -> None:
        self._renderer.close()
