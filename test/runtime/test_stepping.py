"""Leading an arm a control step at a time."""

import numpy as np
import pytest

from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.stepping import NEAR, HandAt, go_to

ROBOT = load_robot()
HAND = np.array([0.4, 0.1, 0.3, 1, 0, 0, 0.0])
MOST = np.repeat([0.006, 0.06], 3)


class FirstOrderArm:
    """A hand that comes up to its goal as exp(-gain t), and may be held."""

    def __init__(self, hand=HAND, held=False, gain=ROBOT.response.gain):
        self.hand, self.held, self.sent, self.seconds = hand, held, [], 0.0
        self.share = -np.expm1(-gain * ROBOT.period_s)

    def step(self, offset):
        self.sent.append(np.array(offset))
        self.seconds += ROBOT.period_s
        if not self.held:
            self.hand = moved(self.hand, self.share * np.asarray(offset))
        return HandAt(self.seconds, self.hand)


def test_it_goes_there_and_never_too_fast():
    arm, goal = FirstOrderArm(), moved(HAND, [0.05, -0.1, 0.02, 0.3, 0, -0.2])
    assert go_to(arm, goal, MOST, 600)
    assert (np.abs(offset_between(arm.hand, goal)) < NEAR).all()
    assert (np.abs(arm.sent) <= MOST + 1e-12).all()
    assert not arm.sent[-1].any()


def test_it_goes_straight():
    arm, goal = FirstOrderArm(), moved(HAND, [0.1, 0.05, 0, 0, 0, 0])
    go_to(arm, goal, MOST, 600)
    for sent in arm.sent:
        assert sent[0] == pytest.approx(2 * sent[1], abs=1e-3)


def test_it_gives_up():
    arm = FirstOrderArm(held=True)
    assert not go_to(arm, moved(HAND, [0.05, 0, 0, 0, 0, 0]), MOST, 50)
    assert len(arm.sent) == 51
    assert not arm.sent[-1].any()
