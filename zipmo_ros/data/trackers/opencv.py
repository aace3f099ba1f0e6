"""Points followed by optical flow of small patches: OpenCV, no weights."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

WINDOW, LEVELS = 11, 3  # pixels a side of a patch; halvings of the image above it
AGREEMENT = 1.0  # pixels: a point is lost that does not come back to where it was when followed backwards


class LucasKanade:
    """A Tracker (contract.protocols): pyramidal Lucas-Kanade, checked backwards (Bouguet 2001; Kalal et al. 2010).

    What is lost, or leaves the frame, stays lost and where it was last seen.
    """

    def track(self, frames: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the protocol. A query outside the first frame is lost from the start."""
        size = np.array(frames.shape[1:3], np.float32)
        places = [np.asarray(queries, np.float32)]
        visible = [(np.abs(places[0]) <= 1).all(-1)]
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        for before, after in itertools.pairwise(grey):
            found, sure = _flow(before, after, _pixels(places[-1], size))
            moved = _coordinates(found, size)
            sure &= visible[-1] & (np.abs(moved) <= 1).all(-1)
            places.append(np.where(sure[:, None], moved, places[-1]))
            visible.append(sure)
        return np.stack(places, axis=1), np.stack(visible, axis=1)


def _flow(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points [N, 2] (x, y) of one image are in the next, and whether that is sure [N]."""
    if not len(points):
        return points, np.zeros(0, bool)
    found, there = _lucas_kanade(before, after, points)
    back, again = _lucas_kanade(after, before, found)
    return found, there & again & (np.linalg.norm(back - points, axis=-1) <= AGREEMENT)


def _lucas_kanade(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, np.empty_like(points), winSize=(WINDOW, WINDOW), maxLevel=LEVELS
    )
    return np.asarray(found), np.asarray(status)[:, 0] > 0


def _pixels(points: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(y, x) in [-1, 1] -> OpenCV's (x, y), whose pixel centres are whole numbers."""
    return np.ascontiguousarray(((points + 1) / 2 * size - 0.5)[:, ::-1])


def _coordinates(pixels: np.ndarray, size: np.ndarray) -> np.ndarray:
    return (pixels[:, ::-1] + 0.5) / size * 2 - 1
