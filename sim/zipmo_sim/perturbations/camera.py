"""Views from elsewhere: of the cameras that stand in the scene. The hand's own goes with the hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from zipmo_sim.perturbations.draft import Draft
from zipmo_sim.perturbations.draw import Draw

ANGLE = np.deg2rad(5)
OFFSET = 0.02  # m
FIELD = 0.1  # of the field of view


def turned(draft: Draft, draw: Draw) -> None:
    """By an angle about its own centre: up or down, sideways, about its axis, or some of each."""
    turn = Rotation.from_rotvec(ANGLE * draw.strength * draw.direction())
    for camera in draft.standing_cameras():
        _orient(camera, turn * Rotation.from_quat(draft.plain.camera(camera.name).quat, scalar_first=True))


def displaced(draft: Draft, draw: Draw) -> None:
    """By a distance in some direction, looking the same way."""
    offset = OFFSET * draw.strength * draw.direction()
    for camera in draft.standing_cameras():
        camera.pos = camera.pos + offset


def zoomed(draft: Draft, draw: Draw) -> None:
    """A field of view that is larger or smaller by a share."""
    factor = 1 + FIELD * draw.strength * draw.sign()
    for camera in draft.standing_cameras():
        camera.fovy *= factor


def _orient(camera: Any, rotation: Rotation) -> None:
    import mujoco

    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT  # in place of whatever it was described by
    camera.quat = rotation.as_quat(scalar_first=True)
