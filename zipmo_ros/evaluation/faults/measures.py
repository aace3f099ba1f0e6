"""When a hand stopped, and how far it came, by its path."""

from __future__ import annotations

import numpy as np

STILL_M_S = 0.005  # a hand slower than this stands still
BRAKED_M_S = 0.02  # slower than this it has all but stopped: a tenth of how fast it moves in the drills
LASTING_S = 0.25  # s that it must do so: one that turns round stands still for a moment
UNSAFE_M = 0.02  # m after the budget


def stop_s(path: np.ndarray, began: float, still_m_s: float = STILL_M_S) -> float | None:
    """Seconds from `began` until the hand was slower for long; None where it was not. path: [n, 4], s and place (m)."""
    times = path[1:, 0]
    moves = (_steps(path) > still_m_s * np.diff(path[:, 0])) & (times > began)
    moments = np.concatenate([[began], times[moves], times[-1:]])
    still = np.flatnonzero(np.diff(moments) > LASTING_S)
    return float(moments[still[0]] - began) if len(still) else None


def metres_after(path: np.ndarray, since: float) -> float:
    """Length of the path from a time on."""
    return float(_steps(path)[path[1:, 0] > since].sum())


def metres_off(path: np.ndarray, since: float) -> float:
    """How far the hand got from where it was at a time, at most."""
    rest = path[path[:, 0] >= since]
    return float(np.linalg.norm(rest[:, 1:] - rest[0, 1:], axis=1).max()) if len(rest) else 0.0


def _steps(path: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(path[:, 1:], axis=0), axis=1)
