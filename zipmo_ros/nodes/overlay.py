"""The plan as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

SCALE = 2  # output pixels for each pixel


def draw_plan(generator: Any, z: np.ndarray, images: np.ndarray, instruction: str, points: int) -> np.ndarray:
    """The views side by side, each with the planned tracks of a grid of points drawn on the frame they start from, and
    rings around what the planner takes the sentence to be about.

    z: [V, H, W, C]; images: uint8 [V, H, W, 3]; points: per axis of the grid. Returns uint8 [S H, S V W, 3], S = SCALE.
    """
    from zipmo_ros.nodes.drawing import (  # needs cv2, which a robot without a viewer need not have
        draw_places,
        draw_tracks,
    )

    axis = (np.arange(points, dtype=np.float32) + 0.5) / points * 2 - 1
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    tracks = np.asarray(generator.decode(z, images, np.stack([grid] * len(images))))
    views = [
        draw_places(draw_tracks(image, view, scale=SCALE, least_motion=1.0), places)
        for image, view, places in zip(images, tracks, generator.point(images, instruction), strict=True)
    ]
    return np.concatenate(views, axis=1)
