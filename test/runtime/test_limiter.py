"""Velocities, one after another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.limiter import ROUNDING, Limiter

ROBOT = load_robot()
PARTS = (slice(0, 3), ROBOT.limits.translation), (slice(3, 6), ROBOT.limits.rotation)
VELOCITIES = st.lists(st.floats(-5, 5), min_size=6, max_size=6).map(np.array)
STEPS = st.lists(st.tuples(VELOCITIES, st.floats(0, ROBOT.period_s)), max_size=12)


@given(STEPS)
def test_no_limit_is_broken_and_what_keeps_them_passes(steps):
    limiter, before = Limiter(ROBOT), np.zeros(6)
    for wanted, seconds in steps:
        velocity = limiter.limited(wanted, seconds)
        kept = True
        for part, limits in PARTS:
            change = np.linalg.norm(velocity[part] - before[part])
            assert np.linalg.norm(velocity[part]) <= limits.velocity * (1 + ROUNDING) + 1e-12
            assert change <= limits.change(seconds) * (1 + ROUNDING) + 1e-12
            assert change <= limits.acceleration * seconds * (1 + ROUNDING) + 1e-12
            kept &= np.linalg.norm(wanted[part]) <= limits.velocity * (1 + ROUNDING)
            kept &= np.linalg.norm(wanted[part] - before[part]) <= limits.change(seconds) * (1 + ROUNDING)
        assert (velocity is wanted) == kept
        before = velocity


@given(STEPS)
def test_jerk_over_even_steps(steps):
    limiter, velocities = Limiter(ROBOT), [np.zeros(6)] * 2
    velocities += [limiter.limited(wanted, ROBOT.period_s) for wanted, _ in steps]
    accelerations = np.diff(velocities, axis=0) / ROBOT.period_s
    jerks = np.diff(accelerations, axis=0) / ROBOT.period_s
    for part, limits in PARTS:
        assert (np.linalg.norm(jerks[:, part], axis=1) <= limits.jerk * (1 + 1e-9)).all()


@given(VELOCITIES)
def test_it_gets_there_straight(wanted):
    limiter = Limiter(ROBOT)
    velocities = [limiter.limited(wanted, ROBOT.period_s) for _ in range(20)]
    for part, limits in PARTS:
        length = np.linalg.norm(wanted[part])
        there = wanted[part] * min(1, limits.velocity / max(length, 1e-300))
        np.testing.assert_allclose(velocities[-1][part], there, atol=1e-12)
        for velocity in velocities:  # on the way, and never past it
            np.testing.assert_allclose(np.cross(velocity[part], there), 0, atol=1e-12)
            assert -1e-12 <= velocity[part] @ there <= there @ there + 1e-12


def test_reset_is_rest():
    limiter, fast = Limiter(ROBOT), np.array([0.5, 0, 0, 0, 0, 0])
    first = limiter.limited(fast, ROBOT.period_s)
    assert 0 < first[0] < limiter.limited(fast, ROBOT.period_s)[0] == pytest.approx(0.5)
    limiter.reset()
    np.testing.assert_array_equal(limiter.limited(fast, ROBOT.period_s), first)
