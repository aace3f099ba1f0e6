"""Gain and lag of arms whose gain and lag are known, and of the one that was trained on."""

import numpy as np
import pytest

from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.calibration import AXES, axis_response, report_of, step_responses, trained_arm
from zipmo_ros.runtime.stepping import HandAt
from zipmo_sim.suites import DEFAULT

ROBOT = load_robot()
SIZES = np.repeat([0.01, 0.1], 3)


class LaggingArm:
    """A hand whose velocity comes to gain times the offset with a time constant; integrated finely."""

    def __init__(self, gain, lag_s):
        self.gain, self.lag_s = gain, lag_s
        self.hand, self.velocity, self.seconds = np.array([0.4, 0, 0.3, 1, 0, 0, 0.0]), np.zeros(6), 0.0

    def step(self, offset):
        fine = ROBOT.period_s / 50
        for _ in range(50):
            self.velocity = self.velocity + fine / self.lag_s * (self.gain * np.asarray(offset) - self.velocity)
            self.hand = moved(self.hand, fine * self.velocity)
        self.seconds += ROBOT.period_s
        return HandAt(self.seconds, self.hand)


def test_a_known_arm_is_found_out():
    responses = list(step_responses(LaggingArm(3.0, 0.08), SIZES, 18))
    assert [response.axis for response in responses] == list(AXES)
    for response in responses:
        assert response.gain == pytest.approx(3.0, rel=0.02)
        assert response.lag_s == pytest.approx(0.08, abs=0.01)
    report = report_of(responses)
    assert report["translation"]["gain"] == pytest.approx(3.0, rel=0.02)
    assert set(report["axes"]) == set(AXES)


def test_it_comes_back_to_where_it_began():
    arm = LaggingArm(3.0, 0.05)
    start = arm.hand
    list(step_responses(arm, SIZES, 18))
    np.testing.assert_allclose(arm.hand, start, atol=0.01)  # the last motion is not waited for


def test_an_arm_that_stands_still_is_said():
    with pytest.raises(ValueError, match="did not follow along x: is the arm armed"):
        list(step_responses(LaggingArm(1e-3, 0.05), SIZES, 18))
    with pytest.raises(ValueError, match="kept for longer"):
        axis_response("x", np.array([0, 0.1, 0.2]), np.array([0, 0.1, 0.2]))


def test_the_robot_says_of_the_trained_arm_what_is_measured():
    pytest.importorskip("robosuite")
    with trained_arm(DEFAULT) as arm:
        report = report_of(list(step_responses(arm, SIZES, 18)))
    for part in ("translation", "rotation"):
        assert report[part]["gain"] == pytest.approx(ROBOT.response.gain, rel=0.1)
        assert report[part]["lag_s"] == pytest.approx(ROBOT.response.lag_s, abs=0.04)
