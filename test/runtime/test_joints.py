"""Joint states of several publishers, merged by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.runtime.joints import JointStates

ARM, FINGERS = ("shoulder", "elbow"), ("left", "right")
MS = 10**6


def joints(skew_ms=25):
    return JointStates(ARM + FINGERS, skew_ms * MS)


def test_one_message_of_all_joints_is_a_moment_in_any_order():
    moment = joints().add(7, ["right", "elbow", "head", "left", "shoulder"], [4.0, 2.0, 9.0, 3.0, 1.0])
    assert (moment.stamp_ns, moment.skew_ns) == (7, 0)
    assert moment.positions.dtype == np.float32
    np.testing.assert_array_equal(moment.positions, [1.0, 2.0, 3.0, 4.0])


def test_arm_and_fingers_in_separate_messages():
    merged = joints()
    assert merged.add(0, ARM, [1.0, 2.0]) is None
    assert merged.missing == FINGERS
    assert merged.problem() == "joints left, right are missing; heard are shoulder, elbow"
    moment = merged.add(10 * MS, FINGERS, [3.0, 4.0])
    assert (moment.stamp_ns, moment.skew_ns) == (0, 10 * MS)
    np.testing.assert_array_equal(moment.positions, [1.0, 2.0, 3.0, 4.0])
    assert merged.add(12 * MS, FINGERS, [3.5, 4.0]) is None  # the arm sets the pace
    moment = merged.add(20 * MS, ARM, [1.5, 2.0])
    assert (moment.stamp_ns, moment.skew_ns) == (20 * MS, 8 * MS)
    np.testing.assert_array_equal(moment.positions, [1.5, 2.0, 3.5, 4.0])
    assert merged.add(20 * MS, ARM, [1.5, 2.0]).stamp_ns == 20 * MS  # sent again: asked again
    assert merged.problem() is None


def test_what_is_too_old_is_missing_until_it_comes():
    merged = joints()
    merged.add(0, FINGERS, [3.0, 4.0])
    assert merged.add(50 * MS, ARM, [1.0, 2.0]) is None
    assert merged.missing == FINGERS
    assert merged.problem() == "joints left, right are up to 0.050 s from shoulder (at most 0.025 s)"
    assert merged.add(50 * MS, FINGERS, [3.0, 4.0]).stamp_ns == 50 * MS


def test_other_names_are_named():
    merged = joints()
    assert merged.add(0, ["j1", "j2"], [0.0, 0.0]) is None
    assert merged.problem() == "joints shoulder, elbow, left, right are missing; heard are j1, j2"
    merged.reset()
    assert merged.problem().endswith("heard are none")


@pytest.mark.parametrize(("names", "positions", "reason"), [
    (ARM, [1.0], "2 joint names with 1 positions"),
    (ARM, [1.0, float("nan")], "positions are not finite: elbow at nan"),
])  # fmt: skip
def test_what_is_wrong_is_refused_and_nothing_of_it_kept(names, positions, reason):
    merged = joints()
    with pytest.raises(ValueError, match=reason):
        merged.add(0, names, positions)
    assert merged.missing == ARM + FINGERS
    assert merged.add(0, ["head", *ARM, *FINGERS], [float("inf"), 1.0, 2.0, 3.0, 4.0]) is not None  # not wanted


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=60))
def test_no_moment_is_wider_than_the_bound(steps):
    merged, clocks = joints(), {ARM: 0, FINGERS: 0}
    for arm, step in steps:
        names = ARM if arm else FINGERS
        clocks[names] += step * MS
        moment = merged.add(clocks[names], names, [clocks[names] / MS] * 2)
        apart = abs(clocks[ARM] - clocks[FINGERS])
        if moment is None:
            assert not arm or apart > 25 * MS or 0 in clocks.values()
        else:
            assert moment.stamp_ns == clocks[ARM]
            assert moment.skew_ns == apart <= 25 * MS
            np.testing.assert_array_equal(moment.positions[::2] * MS, [clocks[ARM], clocks[FINGERS]])
