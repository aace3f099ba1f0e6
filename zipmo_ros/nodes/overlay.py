"""The plan as a picture."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Planner, Visible

SCALE = 2  # output pixels for each pixel


def draw_plan(planner: Planner, plan: MotionPlan, observation: Observation, points: int) -> np.ndarray:
    """The views side by side, each with planned tracks drawn on the frame they start from, and rings around what the
    planner takes the goal to be about.

    A planner that shows its plans is asked for a grid of `points` an axis; else a plan of tracks is drawn as it is.
    Returns uint8 [S H, S V W, 3], S = SCALE. Raises ValueError where there is nothing to draw.
    """
    from zipmo_ros.nodes.drawing import draw_places, draw_tracks  # cv2, which a robot without a viewer need not have

    images = observation.stacked(planner.spec.views)
    if isinstance(planner, Visible):
        axis = (np.arange(points, dtype=np.float32) + 0.5) / points * 2 - 1
        grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        tracks, places = planner.show(plan, observation, np.stack([grid] * len(images)))
    else:
        tracks, places = plan.tracks[0], np.empty((len(images), 0, 2))
    views = [
        draw_places(draw_tracks(image, view, scale=SCALE, least_motion=1.0), rings)
        for image, view, rings in zip(images, tracks, places, strict=True)
    ]
    return np.concatenate(views, axis=1)
