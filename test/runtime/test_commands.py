"""Actions to commands and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.commands import binarise_gripper, to_action, to_command

ROBOT = load_robot()
ACTIONS = st.lists(st.floats(-1, 1), min_size=7, max_size=7).map(np.array)
HAND = np.array([0.4, 0.1, 0.3, 0.5, 0.5, -0.5, 0.5])


def test_units():
    command = to_command(np.array([1.0, 0, -0.5, 0, 1.0, 0, -1.0]), HAND, ROBOT)
    np.testing.assert_allclose(command.pose[:3], HAND[:3] + np.array([0.05, 0, -0.025]))
    assert abs(command.pose[3:] @ HAND[3:]) == pytest.approx(np.cos(0.25))  # half of 0.5 rad
    assert command.gripper == 0.08
    assert to_command(np.array([0, 0, 0, 0, 0, 0, 1.0]), HAND, ROBOT).gripper == 0.0


@given(ACTIONS)
def test_round_trip(action):
    again = to_action(to_command(action, HAND, ROBOT), HAND, ROBOT)
    assert again.dtype == np.float64
    np.testing.assert_allclose(again, action, atol=1e-14)
    assert np.abs(again).max() <= 1


def test_an_arm_that_is_nearer_has_less_to_go():
    nearer = HAND + np.array([0.02, 0, 0, 0, 0, 0, 0])
    action = to_action(to_command(np.array([1.0, 0, 0, 0, 0, 0, 1.0]), HAND, ROBOT), nearer, ROBOT)
    np.testing.assert_allclose(action, [0.6, 0, 0, 0, 0, 0, 1], atol=1e-14)


def test_out_of_range_is_clipped_and_nan_refused():
    far = Command(np.array([9.4, 0.1, -9.3, 0.5, 0.5, -0.5, 0.5]), 0.2)
    np.testing.assert_array_equal(to_action(far, HAND, ROBOT), [1, 0, -1, 0, 0, 0, -1])
    for broken in (
        Command(np.array([np.nan, 0, 0, 0, 0, 0, 1]), 0.08),
        Command(np.array([0, 0, 0, 0, 0, np.inf, 1]), 0.08),
        Command(HAND, float("nan")),
    ):
        with pytest.raises(ValueError, match="finite numbers"):
            to_action(broken, HAND, ROBOT)


def test_staying_where_it_is_is_no_motion():
    np.testing.assert_array_equal(to_action(Command(HAND, 0.0), HAND, ROBOT), [0, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(("value", "sign"), [(0.1, 1), (-0.1, -1), (0.0, -1), (1.0, 1)])
def test_gripper_is_open_or_closed(value, sign):
    action = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, value])
    np.testing.assert_array_equal(binarise_gripper(action), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, sign])
    assert action[6] == value
