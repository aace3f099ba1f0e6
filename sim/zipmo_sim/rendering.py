"""Off-screen rendering: choice of the OpenGL backend and the camera views of an environment."""

import contextlib
import ctypes.util
import importlib
import os
import sys
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from zipmo_ros.contract.camera import IMAGE_SIZE

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

        from zipmo_sim.coarse import coarse_meshes  # names of looks do without

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
        self._checked = False

    def views(self, chosen: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Render every camera, or those of the chosen views, at the data's current (forwarded) state."""
        images = {view: self._render(self._cameras[view]) for view in (self._cameras if chosen is None else chosen)}
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
        images, depths = {}, {}
        for view, camera in self._cameras.items():
            images[view] = self._render(camera)
            depths[view] = self._depth()
        return images, depths

    def _depth(self) -> np.ndarray:
        """Depth of the frame that was drawn last. mujoco.Renderer would draw it anew to tell."""
        import mujoco

        renderer, model = self._renderer, self._renderer.model
        stored = np.empty((renderer.height, renderer.width), np.float32)
        mujoco.mjr_readPixels(None, stored, renderer._rect, renderer._mjr_context)
        near, far = (model.stat.extent * plane for plane in (model.vis.map.znear, model.vis.map.zfar))
        # The buffer holds 1 at the near plane and 0 at the far one (mujoco.Renderer asks for it).
        inverse = stored.astype(np.float64) * (1 / near - 1 / far) + 1 / far
        return np.flipud(1 / inverse).astype(np.float32)

    def _render(self, camera: str) -> np.ndarray:
        groups = self._model.geom_group.copy()
        if self._culls:
            self._model.geom_group[~self._in_frame(camera)] = _NEVER_DRAWN
        try:
            self._renderer.update_scene(self._data, camera=camera, scene_option=self._option)
        finally:
            self._model.geom_group[:] = groups
        return np.ascontiguousarray(self._renderer.render())

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
