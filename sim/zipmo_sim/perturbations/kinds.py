"""Every perturbation by the name that `perturb=` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zipmo_sim.perturbations import camera, clutter, hand, light, move, sensor, surface, thing
from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw
from zipmo_sim.perturbations.move import Move
from zipmo_sim.perturbations.subject import Perturbable

if TYPE_CHECKING:
    from zipmo_sim.env import ManipulationEnv

# Those of LIBERO-Plus (arXiv 2510.13626). The third has no perturbation here: it is what `instruction=` is for.
DIMENSIONS = (
    "camera viewpoints", "robot initial states", "language instructions", "light conditions", "background textures",
    "sensor noise", "objects layout",
)  # fmt: skip

# What a perturbation can't do without, as it is said to a user, and whether a scene has it.
NEEDS: Mapping[str, Callable[[Perturbable], bool]] = {
    "goal": lambda subject: subject.goal is not None,
    "thing that stands by itself": lambda subject: subject.alone,
    "thing that stands by itself and is not round": lambda subject: subject.alone and not subject.round,
    "free thing": lambda subject: subject.alone and subject.thing not in subject.fixtures,
    "thing that no sentence tells by its colour": lambda subject: (
        subject.glazed is None or subject.thing in subject.glazed
    ),
}


@dataclass(frozen=True)
class Change:
    """What a name of a perturbation means. dimension: of DIMENSIONS. what: it is at strength 1.

    edit: changes the model. place: changes the scene when the initial state is in place, before it settles. begin: when
    it has settled, before step 0. moves: makes what moves something in mid-episode. see: changes an image.
    needs: of NEEDS; None: it can be done in every scene.
    """

    dimension: str
    what: str
    edit: Callable[[Draft, Draw], None] | None = None
    place: Callable[[ManipulationEnv, Draw], None] | None = None
    begin: Callable[[ManipulationEnv, Draw], None] | None = None
    moves: Callable[[ManipulationEnv, Draw], Move] | None = None
    see: Callable[[np.ndarray, Draw], np.ndarray] | None = None
    needs: str | None = None

    def fits(self, subject: Perturbable) -> bool:
        """Whether it can be done in a scene."""
        return self.needs is None or NEEDS[self.needs](subject)


_VIEW, _ARM, _, _LIGHT, _SURFACE, _SENSOR, _LAYOUT = DIMENSIONS
KINDS = {
    "camera_angle": Change(_VIEW, "standing camera turned by 5 degrees", edit=camera.turned),
    "camera_offset": Change(_VIEW, "standing camera 2 cm away", edit=camera.displaced),
    "camera_fov": Change(_VIEW, "field of view 10 % larger or smaller", edit=camera.zoomed),
    "hand_pose": Change(_ARM, "hand starts 8 cm away", begin=hand.led_away),
    "light_intensity": Change(_LIGHT, "half or one and a half times the light", edit=light.dimmed),
    "light_colour": Change(_LIGHT, "warm or blue light", edit=light.tinted),
    "light_direction": Change(_LIGHT, "lamps 60 degrees from the vertical, on another side", edit=light.moved),
    "surface_colour": Change(_SURFACE, "table or floor blue, or dark grey", edit=surface.painted),
    "surface_texture": Change(_SURFACE, "table or floor of wood or stones", edit=surface.textured),
    "surface_sheen": Change(_SURFACE, "table or floor polished", edit=surface.polished),
    "noise": Change(_SENSOR, "noise of 24 grey levels (standard deviation)", see=sensor.noisy),
    "blur": Change(_SENSOR, "out of focus by 1.6 px of 128 (standard deviation)", see=sensor.blurred),
    "object_yaw": Change(_LAYOUT, "the thing turned by 45 degrees", place=thing.turned,
                         needs="thing that stands by itself and is not round"),
    "object_colour": Change(_LAYOUT, "the thing glazed in another colour", edit=thing.tinted,
                            needs="thing that no sentence tells by its colour"),
    "object_scale": Change(_LAYOUT, "the thing 20 % larger or smaller", edit=thing.scaled, place=thing.set_down,
                         needs="free thing"),
    "clutter": Change(_LAYOUT, "three purple things, one beside the thing", edit=clutter.added, place=clutter.beside),
    "moved_thing": Change(_LAYOUT, "the thing put 6 cm away when the hand comes near", moves=move.before_contact,
                          needs="thing that stands by itself"),
    "moved_goal": Change(_LAYOUT, "the goal put 6 cm away after the grasp", moves=move.after_grasp, needs="goal"),
}  # fmt: skip
