"""Poses float64 [7]: position (m), then a unit quaternion xyzw. Offsets float64 [6]: metres, then axis times rad.

An offset is OSC_POSE's: the translation is added, the rotation turns about the axes of the frame that the pose is in.
"""

from __future__ import annotations

import numpy as np


def moved(pose: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The pose [7] that lies `offset` [6] from `pose`."""
    offset = np.asarray(offset, np.float64)
    rotation = _product(_quaternion(offset[3:]), pose[3:])
    return np.concatenate([pose[:3] + offset[:3], rotation / np.linalg.norm(rotation)])


def offset_between(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The offset [6] that moves pose `start` to pose `goal`, by at most half a turn."""
    return np.concatenate([goal[:3] - start[:3], _rotation_vector(_product(goal[3:], _inverse(start[3:])))])


def relative(base: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """A pose [7] as seen from another one [7] of the same frame."""
    back = _inverse(base[3:])
    return np.concatenate([_turned(back, pose[:3] - base[:3]), _product(back, pose[3:])])


def composed(base: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The pose [7] that is `seen` [7] from pose `base` [7]; the inverse of `relative`."""
    return np.concatenate([base[:3] + _turned(base[3:], seen[:3]), _product(base[3:], seen[3:])])


def pose_of(position: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Pose [7] of a position [3] and a rotation matrix [3, 3]."""
    # The largest of the four is computed first, so that no division is by something small (Shepperd 1978).
    m = np.asarray(matrix, np.float64)
    squares = np.array([m[0, 0], m[1, 1], m[2, 2], np.trace(m)])
    i = int(np.argmax(squares))
    quaternion = np.empty(4)
    if i == 3:
        quaternion[:] = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1 + squares[3]
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        quaternion[i] = 1 + m[i, i] - m[j, j] - m[k, k]
        quaternion[j], quaternion[k] = m[j, i] + m[i, j], m[k, i] + m[i, k]
        quaternion[3] = m[k, j] - m[j, k]
    return np.concatenate([np.asarray(position, np.float64), quaternion / np.linalg.norm(quaternion)])


def matrix_of(pose: np.ndarray) -> np.ndarray:
    """Rotation matrix [3, 3] of a pose [7]."""
    return np.stack([_turned(pose[3:], axis) for axis in np.eye(3)], axis=1)


def problem_of(pose: np.ndarray) -> str | None:
    """What is wrong with a pose [7] from outside; None if nothing is."""
    if not np.isfinite(pose).all():
        return f"the pose is not finite: {pose}"
    length = float(np.linalg.norm(pose[3:]))
    return None if abs(length - 1) < 1e-3 else f"its quaternion has length {length:.3f}, not 1"


def _quaternion(vector: np.ndarray) -> np.ndarray:
    """Of axis times angle [3]."""
    angle = float(np.linalg.norm(vector))
    return np.append(vector * (np.sinc(angle / (2 * np.pi)) / 2), np.cos(angle / 2))


def _rotation_vector(q: np.ndarray) -> np.ndarray:
    """Axis times angle [3], the angle at most pi."""
    q = -q if q[3] < 0 else q
    sine = float(np.linalg.norm(q[:3]))
    scale = 2 / q[3] if sine < 1e-9 else 2 * np.arctan2(sine, q[3]) / sine
    return q[:3] * scale


def _inverse(q: np.ndarray) -> np.ndarray:
    return np.append(-q[:3], q[3])


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation b, then a."""
    return np.append(a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3]), a[3] * b[3] - a[:3] @ b[:3])


def _turned(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    double = 2 * np.cross(q[:3], vector)
    return vector + q[3] * double + np.cross(q[:3], double)
