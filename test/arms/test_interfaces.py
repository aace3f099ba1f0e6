"""What controllers are sent, against arms that do exactly as they are told."""

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="needs pin")

from zipmo_ros.arms.grippers import Gripper
from zipmo_ros.arms.interfaces import LEAD_S, Measured, make_interface
from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.arms.pursuit import Pursuit
from zipmo_ros.arms.setpoints import ArraySetpoint, PoseSetpoint, TrajectorySetpoint, TwistSetpoint
from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.contract.robot import load_robot

ROBOT = load_robot()
GAIN, LAG_S = ROBOT.response.gain, ROBOT.response.lag_s
SECONDS = 0.01
HOME = np.array(ROBOT.arm.home)


def interface_of(kind, lag_s=LAG_S):
    return make_interface(kind, ROBOT, Pursuit(GAIN, lag_s))


def measured(joints=HOME):
    return Measured(Kinematics(ROBOT).forward(joints), joints)


def run(kind, offset, steps, ahead=None):
    """Hands of an arm whose goal is kept an offset ahead, or stays at `ahead` from the start; and the last setpoint."""
    kinematics, interface = Kinematics(ROBOT), interface_of(kind)
    joints, hands = HOME, [kinematics.forward(HOME)]
    for _ in range(steps):
        goal = moved(hands[0] if ahead is not None else hands[-1], offset)
        setpoint = interface.toward(goal, Measured(hands[-1], joints), SECONDS)
        if isinstance(setpoint, TwistSetpoint):
            joints = joints + SECONDS * kinematics.velocities(joints, setpoint.twist)
        elif isinstance(setpoint, TrajectorySetpoint):
            assert (setpoint.joints, setpoint.seconds) == (ROBOT.joints, SECONDS)
            joints = setpoint.positions
        elif kind == "joint_velocity":
            joints = joints + SECONDS * setpoint.values
        else:
            joints = setpoint.values
        hands.append(kinematics.forward(joints))
    return hands


@pytest.mark.parametrize("kind", ["twist", "joint_velocity", "joint_position", "joint_trajectory"])
def test_a_hand_that_is_told_to_keep_an_offset_moves_as_the_trained_arm_does(kind):
    offset = np.array([0.02, 0.01, 0, 0, 0, 0.1])
    hands = run(kind, offset, 60)
    speed = offset_between(hands[40], hands[60]) / (20 * SECONDS)
    np.testing.assert_allclose(speed, GAIN * offset, rtol=0.05, atol=2e-3)
    way = offset_between(hands[0], hands[60])[0] / (GAIN * offset[0])
    assert 60 * SECONDS - way == pytest.approx(LAG_S, abs=0.015)  # it began so much late


@pytest.mark.parametrize("kind", ["twist", "joint_velocity", "joint_position", "joint_trajectory"])
def test_a_goal_that_stays_is_come_up_to(kind):
    offset = np.array([0.03, -0.02, 0.02, 0.1, 0, 0])
    hands = run(kind, offset, 300, ahead=True)
    np.testing.assert_allclose(offset_between(hands[0], hands[-1]), offset, atol=1e-3)
    most = max(offset_between(hands[0], hand)[0] for hand in hands)
    assert most < offset[0] * 1.05


@pytest.mark.parametrize("kind", ["pose", "servo_pose"])
def test_pose_controllers_get_the_goal_itself(kind):
    goal = moved(measured().hand, np.full(6, 0.02))
    setpoint = interface_of(kind).toward(goal, measured(), SECONDS)
    assert isinstance(setpoint, PoseSetpoint)
    assert setpoint.pose is goal


def test_an_arm_that_is_held_back_is_not_run_away_from():
    """Its joints stay where they are, whatever they are told."""
    interface, here = interface_of("joint_position"), measured()
    goal = moved(here.hand, np.array([0.1, 0, 0, 0, 0, 0]))
    for _ in range(500):
        told = interface.toward(goal, here, SECONDS).values
    assert (np.abs(told - here.joints) <= LEAD_S * np.array(ROBOT.arm.joint_speeds) + 1e-12).all()
    interface.reset()
    assert np.abs(interface.toward(here.hand, here, SECONDS).values - here.joints).max() < 1e-9


@pytest.mark.parametrize(("kind", "expected"), [
    ("pose", "hand"), ("twist", "zero"), ("joint_velocity", "zero"), ("joint_position", "joints"),
    ("joint_trajectory", "joints"),
])  # fmt: skip
def test_a_stop_holds_or_is_zero(kind, expected):
    interface, here = interface_of(kind), measured()
    interface.toward(moved(here.hand, np.full(6, 0.03)), here, SECONDS)
    stop = interface.stop(here)
    (value,) = [v for name, v in vars(stop).items() if name in ("pose", "twist", "positions", "values")]
    if expected == "zero":
        assert not np.any(value)
    else:
        np.testing.assert_array_equal(value, getattr(here, expected))


def test_grippers():
    gripper = Gripper(ROBOT, "position_array")
    assert isinstance(gripper.toward(0.02), ArraySetpoint)
    assert gripper.toward(0.02).values == pytest.approx([0.01])  # of each finger
    assert gripper.measured(["x", ROBOT.arm.gripper.joints[0]], [0.5, 0.01]) == pytest.approx(0.02)
    assert gripper.measured(["x"], [0.5]) is None
    hinge = load_robot("xarm7")
    trajectory = Gripper(hinge, "joint_trajectory")
    assert trajectory.toward(0.0).positions == pytest.approx([0.85])
    assert trajectory.toward(hinge.gripper_open_m).positions == pytest.approx([0.0])
    assert trajectory.measured(trajectory.spec.joints, [0.425]) == pytest.approx(hinge.gripper_open_m / 2)


def test_an_action_is_asked_once_for_an_opening():
    gripper = Gripper(ROBOT, "gripper_command")
    assert gripper.toward(0.03).position == pytest.approx(0.015)
    assert gripper.toward(0.03) is None
    assert gripper.toward(0.0) is not None
    gripper.reset()
    assert gripper.toward(0.0) is not None
