"""Keeps the motion that commands imply within the robot's limits of velocity, acceleration and jerk."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.limits import Limits, MotionLimits
from zipmo_ros.contract.robot import RobotSpec

ROUNDING = 1e-9  # of a limit: what was limited once passes a second time as it is


def within_speed(velocity: np.ndarray, limits: Limits) -> np.ndarray:
    """A velocity [6] of the hand, each half of it no faster than it may be."""
    halves = (velocity[:3], limits.translation), (velocity[3:], limits.rotation)
    return np.concatenate([_shortened(half, own.velocity) for half, own in halves])


class Limiter:
    """Takes velocities of the hand [6] (m/s, then rad/s), one a control step, and gives those that may be had.

    From each velocity to the next there is a motion within the limits that begins and ends without acceleration. What
    can be reached so is given as it is; otherwise the velocity goes straight towards it, as far as it can. With the
    lengths of the vectors limited, not their axes, this needs no state but the velocity, and no direction is faster
    than another.
    """

    def __init__(self, robot: RobotSpec):
        limits = robot.limits
        self._parts = (slice(0, 3), limits.translation), (slice(3, 6), limits.rotation)
        self._velocity = np.zeros(6)

    def reset(self) -> None:
        """The hand rests."""
        self._velocity = np.zeros(6)

    def limited(self, wanted: np.ndarray, seconds: float) -> np.ndarray:
        """The velocity [6] that may follow the last one after `seconds`; `wanted` itself if that may."""
        parts = [_towards(wanted[part], self._velocity[part], limits, seconds) for part, limits in self._parts]
        velocity = np.concatenate(parts)
        self._velocity = wanted if np.array_equal(velocity, wanted) else velocity
        return self._velocity


def _towards(wanted: np.ndarray, now: np.ndarray, limits: MotionLimits, seconds: float) -> np.ndarray:
    change = _shortened(wanted, limits.velocity) - now
    shorter = _shortened(change, limits.change(seconds))
    return now + shorter if shorter is not change else _shortened(wanted, limits.velocity)


def _shortened(vector: np.ndarray, length: float) -> np.ndarray:
    """The vector itself, or one of this length along it."""
    its_own = float(np.linalg.norm(vector))
    return vector if its_own <= length * (1 + ROUNDING) else vector * (length / its_own)
