"""A scene's model while it is being changed, before it is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import mujoco

    from zipmo_sim.env import ManipulationEnv

_PLAIN = np.array([0.5, 0.5, 0.5, 1.0])  # MuJoCo's colour for "none is said"


class Draft:
    """The model of an environment as it was described first, without what earlier episodes changed.

    spec: mujoco.MjSpec, to be changed; joints have to stay as they are. views: names of the cameras that are seen by.
    """

    def __init__(self, env: ManipulationEnv):
        import mujoco

        from zipmo_sim.env import cameras

        self._env = env
        self.spec = mujoco.MjSpec.from_string(env.robosuite.model.get_xml())
        shown = {geom.meshname for geom in self.spec.geoms}
        for mesh in [mesh for mesh in self.spec.meshes if mesh.name not in shown]:
            self.spec.delete(mesh)  # nobody sees it, and it would have to be taken to every new renderer
        self.views = tuple(cameras().values())

    def compiled(self) -> mujoco.MjModel:
        return self.spec.compile()

    def install(self) -> Any:
        """Have the environment go on with it, and reset it next; the simulation that it had."""
        from robosuite.utils.binding_utils import MjSim

        sim = MjSim(self.compiled())
        sim.forward()
        return self._env.exchange(sim)

    @cached_property
    def plain(self) -> mujoco.MjModel:
        """The model without changes: a specification leaves open what, for example, `xyaxes` comes to."""
        return Draft(self._env).compiled()

    def standing_cameras(self) -> list[Any]:
        """Those of the views that are fixed to the world, not to the arm."""
        found = (self.spec.camera(name) for name in self.views)
        return [camera for camera in found if camera.parent == self.spec.worldbody]

    def lamps(self) -> list[Any]:
        """All that has `ambient`, `diffuse` and `specular` light: the scene's and the one that goes with the camera."""
        return [*self.spec.lights, self.spec.visual.headlight]

    def looks_of(self, body: str) -> Iterator[Any]:
        """The geoms that are seen of a body and of what hangs on it."""
        left = [self.spec.body(body)]
        for part in left:
            left += part.bodies
            yield from (geom for geom in part.geoms if geom.group == 1)

    def own_colour(self, geom: Any) -> np.ndarray:
        """RGB [3] that a geom has, or that its texture is multiplied with."""
        if not np.array_equal(geom.rgba, _PLAIN):
            return np.array(geom.rgba[:3])
        return np.array(self.spec.material(geom.material).rgba[:3] if geom.material else _PLAIN[:3])
