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
_FINE = 512  # pixels a side of a picture that is changed, at most: no image shows more
# What a material is made of, but for its name, its colour and its textures.
_MATERIAL = (
    "emission", "specular", "shininess", "reflectance", "metallic", "roughness", "texrepeat", "texuniform"
)  # fmt: skip


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
        self._pictures: dict[str, np.ndarray] = {}  # of textures that were looked at, or given
        # By name: a specification that something was deleted from does not find what is added.
        self._added: dict[str, Any] = {}

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
        return np.array(self._material(geom).rgba[:3] if geom.material else _PLAIN[:3])

    def texture(self, geom: Any) -> str:
        """Name of what is drawn on a geom; "": it is of one colour."""
        return str(self._material(geom).textures[self._role]) if geom.material else ""

    def picture(self, geom: Any) -> np.ndarray | None:
        """What its texture shows, RGB [h, w, 3] in [0, 1], coarsely; None: it is of one colour."""
        name = self.texture(geom)
        if name and name not in self._pictures:
            texture = self.plain.tex(name)
            start, *shape = (int(part[0]) for part in (texture.adr, texture.height, texture.width, texture.nchannel))
            picture = self.plain.tex_data[start : start + int(np.prod(shape))].reshape(shape)
            step = -(-max(shape) // _FINE)
            self._pictures[name] = picture[::step, ::step, :3] / 255
        return self._pictures[name] if name else None

    def seen_colour(self, geom: Any) -> np.ndarray:
        """RGB [3] that a geom is seen in, on the whole."""
        picture = self.picture(geom)
        return self.own_colour(geom) * (1.0 if picture is None else picture.mean((0, 1)))

    def add_material(self, name: str) -> Any:
        """A new one."""
        self._added[name] = self.spec.add_material(name=name)
        return self._added[name]

    def own_material(self, geom: Any) -> Any:
        """A material of a geom's own, to be changed, that looks as it did; those with the same material share it."""
        name, own = f"own_{geom.material or geom.name}", self.own_colour(geom)
        if name not in self._added:
            material = self.add_material(name)
            if geom.material:
                before = self._material(geom)
                for part in _MATERIAL:
                    setattr(material, part, getattr(before, part))
                material.textures[self._role] = before.textures[self._role]
            material.rgba = [*own, 1.0]
        geom.material, geom.rgba = name, [*own, 1.0]
        return self._added[name]

    def show(self, geom: Any, picture: np.ndarray) -> None:
        """Have a geom's texture show another picture, RGB [h, w, 3] in [0, 1], in its very colours."""
        kind = self.spec.texture(self.texture(geom)).type
        material = self.own_material(geom)
        if self.texture(geom) != material.name:  # another geom of the same material came first
            self.give_texture(material, picture, kind)
        material.rgba = geom.rgba = np.ones(4)

    def give_texture(self, material: Any, picture: np.ndarray, kind: int) -> None:
        """A new texture of the material's name. picture: RGB [h, w, 3] in [0, 1]. kind: mjtTexture."""
        height, width, _ = picture.shape
        data = np.round(255 * picture.clip(0, 1)).astype(np.uint8)
        self.spec.add_texture(
            name=material.name, type=kind, width=width, height=height, nchannel=3, data=data.ravel().tolist()
        )
        material.textures[self._role] = material.name
        self._pictures[material.name] = picture

    def _material(self, geom: Any) -> Any:
        return self._added.get(geom.material) or self.spec.material(geom.material)

    @property
    def _role(self) -> int:
        import mujoco

        return int(mujoco.mjtTextureRole.mjTEXROLE_RGB)
