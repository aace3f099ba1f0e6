"""Actions to commands and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.commands import Command, binarise_gripper, stop_command, to_action, to_command

ROBOT = load_robot()
ACTIONS = st.lists(st.floats(-1, 1), min_size=7, max_size=7).map(np.array)


def test_units():
    command = to_command(np.array([1.0, 0, -0.5, 0, 1.0, 0, -1.0]), ROBOT)
    np.testing.assert_allclose(command.linear, [1.0, 0, -0.5])  # 0.05 m a step of 0.05 s
    np.testing.assert_allclose(command.angular, [0, 10.0, 0])  # 0.5 rad a step
    assert command.gripper == 0.08
    assert to_command(np.array([0, 0, 0, 0, 0, 0, 1.0]), ROBOT).gripper == 0.0


@given(ACTIONS)
def test_round_trip(action):
    again = to_action(to_command(action, ROBOT), ROBOT)
    assert again.dtype == np.float64
    np.testing.assert_allclose(again, action, rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(again[:3], action[:3])
    assert np.abs(again).max() <= 1


def test_out_of_range_is_clipped_and_nan_refused():
    fast = Command(np.array([3.0, 0, 0]), np.array([0, -99.0, 0]), 0.2)
    np.testing.assert_array_equal(to_action(fast, ROBOT), [1, 0, 0, 0, -1, 0, -1])
    for broken in (
        Command(np.array([np.nan, 0, 0]), np.zeros(3), 0.08),
        Command(np.zeros(3), np.array([0, np.inf, 0]), 0.08),
        Command(np.zeros(3), np.zeros(3), float("nan")),
    ):
        with pytest.raises(ValueError, match="finite numbers"):
            to_action(broken, ROBOT)


def test_stop_holds_the_gripper():
    action = to_action(stop_command(0.0), ROBOT)
    np.testing.assert_array_equal(action, [0, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(("value", "sign"), [(0.1, 1), (-0.1, -1), (0.0, -1), (1.0, 1)])
def test_gripper_is_open_or_closed(value, sign):
    action = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, value])
    np.testing.assert_array_equal(binarise_gripper(action), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, sign])
    assert action[6] == value
