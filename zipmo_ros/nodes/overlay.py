"""The plan as tracks, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Locating, Planner, Visible

SCALE = 2  # output pixels for each pixel


class ShownPlan(NamedTuple):
    """images: uint8 [V, H, W, 3], where the tracks start. tracks: [V, Q, T, 2]. places: [V, K, 2], see Visible."""

    images: np.ndarray
    tracks: np.ndarray
    places: np.ndarray

    def about(self, views: Sequence[str]) -> str | None:
        """For people: where in each view the places are, in percent from the left and the top; None without any."""
        percents = np.floor(50 * (self.places[..., ::-1] + 1) + 0.5)
        told = {
            view: " to ".join(f"({x:.0f}, {y:.0f})" if np.isfinite([x, y]).all() else "?" for x, y in rows)
            for view, rows in zip(views, percents, strict=True)
        }
        return "; ".join(f"{view} {places} %" for view, places in told.items() if places) or None


def planned_tracks(planner: Planner, plan: MotionPlan, observation: Observation, points: int) -> ShownPlan:
    """The planned tracks, and what the planner takes the goal to be about.

    A planner that shows its plans is asked for a grid of `points` an axis; else a plan of tracks is shown as it is, and
    places if the planner knows some. Raises ValueError where there is nothing to show.
    """
    images = observation.stacked(planner.spec.views)
    if isinstance(planner, Visible):
        axis = (np.arange(points, dtype=np.float32) + 0.5) / points * 2 - 1
        grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        return ShownPlan(images, *planner.show(plan, observation, np.stack([grid] * len(images))))
    places = np.empty((len(images), 0, 2))
    if isinstance(planner, Locating):
        places = planner.places(observation, plan.goal)
    return ShownPlan(images, plan.tracks[0], places)


def draw_plan(shown: ShownPlan) -> np.ndarray:
    """The views side by side, uint8 [S H, S V W, 3], S = SCALE: tracks on the frame they start from, rings around the
    places.
    """
    from zipmo_ros.nodes.drawing import draw_places, draw_tracks  # cv2, which a robot without a viewer need not have

    views = [
        draw_places(draw_tracks(image, tracks, scale=SCALE, least_motion=1.0), places)
        for image, tracks, places in zip(*shown, strict=True)
    ]
    return np.concatenate(views, axis=1)
