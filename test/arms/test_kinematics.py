"""Kinematics by Pinocchio: against itself, and against the simulated Panda."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="needs pin")

from zipmo_ros.arms.kinematics import MARGIN, Kinematics
from zipmo_ros.contract.pose import matrix_of, offset_between, relative
from zipmo_ros.contract.robot import load_robot
from zipmo_sim import suites

PANDA = load_robot()
WITH_URDF = ["panda", "fr3", "xarm7"]


def between_limits(robot, rng):
    low, high = np.array(robot.joint_limits).T
    return rng.uniform(low + 0.2, high - 0.2)


@pytest.mark.parametrize("name", WITH_URDF)
def test_the_hand_moves_as_the_joints_are_told_to_move_it(name):
    robot = load_robot(name)
    kinematics = Kinematics(robot)
    joints, twist = np.array(robot.arm.home), np.array([0.05, -0.02, 0.03, 0.1, 0.2, -0.1])
    moved = joints + 1e-5 * kinematics.velocities(joints, twist)
    got = offset_between(kinematics.forward(joints), kinematics.forward(moved)) / 1e-5
    np.testing.assert_allclose(got, twist, atol=0.01)


@pytest.mark.parametrize("name", WITH_URDF)
def test_home_points_the_hand_down(name):
    robot = load_robot(name)
    hand = Kinematics(robot).forward(np.array(robot.arm.home))
    assert matrix_of(hand)[2, 2] < -0.95  # its z axis


@pytest.mark.parametrize("name", [*WITH_URDF, "so101"])
def test_joints_are_never_faster_than_they_may_be_nor_driven_into_their_limits(name):
    robot = load_robot(name)
    kinematics, rng = Kinematics(robot), np.random.default_rng(0)
    low, high = np.array(robot.joint_limits).T
    for _ in range(200):
        joints = np.where(rng.random(len(low)) < 0.2, rng.choice([low, high]), between_limits(robot, rng))
        speeds = kinematics.velocities(joints, rng.normal(0, 2, 6))
        assert (np.abs(speeds) <= np.array(robot.arm.joint_speeds) * (1 + 1e-9)).all()
        assert not ((joints < low + MARGIN) & (speeds < 0)).any()
        assert not ((joints > high - MARGIN) & (speeds > 0)).any()


def test_a_stretched_arm_is_not_torn():
    kinematics = Kinematics(PANDA)
    stretched = np.array([0, 0, 0, -0.0699, 0, 1.5, 0.7])
    speeds = kinematics.velocities(stretched, np.array([0, 0, 0.5, 0, 0, 0]))
    assert np.isfinite(speeds).all()
    assert (np.abs(speeds) <= PANDA.arm.joint_speeds).all()


def test_joints_are_taken_in_the_order_of_the_robot():
    """The FR3 goes by the Panda's URDF, under other names."""
    joints = np.array(PANDA.arm.home)
    expected = Kinematics(PANDA).forward(joints)
    np.testing.assert_allclose(Kinematics(load_robot("fr3")).forward(joints), expected)
    order = [6, 2, 0, 1, 5, 3, 4]
    arm = dataclasses.replace(PANDA.arm, home=None)
    swapped = dataclasses.replace(
        PANDA, joints=tuple(PANDA.joints[i] for i in order), joint_limits=tuple(PANDA.joint_limits[i] for i in order),
        arm=arm,
    )  # fmt: skip
    kinematics = Kinematics(swapped)
    np.testing.assert_allclose(kinematics.forward(joints[order]), expected)
    speeds = Kinematics(PANDA).velocities(joints, np.full(6, 0.05))
    np.testing.assert_allclose(kinematics.velocities(joints[order], np.full(6, 0.05)), speeds[order], atol=1e-9)


def test_the_tool_is_where_the_hand_is():
    robot = load_robot("xarm7")
    bare = dataclasses.replace(robot, arm=dataclasses.replace(robot.arm, tool=(0,) * 6))
    joints = np.array(robot.arm.home)
    seen = relative(Kinematics(bare).forward(joints), Kinematics(robot).forward(joints))
    np.testing.assert_allclose(seen, [0, 0, 0.172, 0, 0, 0, 1], atol=1e-12)


def test_the_simulated_panda_agrees():
    """What it says of its hand is what its URDF says of its joints."""
    pytest.importorskip("robosuite")
    env = suites.make_env(suites.DEFAULT, suites.tasks(suites.DEFAULT)[0].name, image_every=0)
    try:
        kinematics, rng, seen = Kinematics(PANDA), np.random.default_rng(0), []
        env.reset(options={"init_state": 0})
        for _ in range(20):
            observation = env.step(rng.uniform(-1, 1, 7))[0]
            joints = observation["proprio"][: len(PANDA.joints)].astype(np.float64)
            seen.append(relative(kinematics.forward(joints), observation["hand"]))
    finally:
        env.close()
    np.testing.assert_allclose(seen, np.tile([0, 0, 0, 0, 0, 0, 1.0], (20, 1)), atol=5e-4)


@pytest.mark.parametrize(("changes", "reason"), [
    ({"urdf": None, "tip": None}, "names no URDF"),
    ({"tip": "nowhere"}, "has no frame 'nowhere'"),
    ({"urdf_joints": ("a", "b", "c", "d", "e", "f", "g")}, "has no joint a, b"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        Kinematics(dataclasses.replace(PANDA, arm=dataclasses.replace(PANDA.arm, **changes)))


def test_a_urdf_that_is_not_there():
    arm = dataclasses.replace(PANDA.arm, urdf="nosuch.urdf")
    with pytest.raises(FileNotFoundError, match=r"no URDF 'nosuch\.urdf'"):
        Kinematics(dataclasses.replace(PANDA, arm=arm))
