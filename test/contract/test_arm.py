"""The robots that are shipped, and what an arm's section must be."""

from pathlib import Path

import pytest
import yaml

from zipmo_ros.contract.arm import COMMAND_KINDS, GRIPPER_KINDS, read_arm
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path

ROBOTS = sorted(file.stem for file in share_path("config/robots").glob("*.yaml"))


def section(**changes):
    plain = yaml.safe_load((share_path("config/robots") / "panda.yaml").read_text())["arm"]
    for name, value in changes.items():
        place, _, key = name.rpartition("__")
        (plain[place] if place else plain)[key] = value
    return plain


@pytest.mark.parametrize("name", ROBOTS)
def test_shipped_robots_are_whole_and_say_that_nobody_has_tried_them(name):
    robot = load_robot(name)
    assert robot.name == name
    assert robot.arm is not None
    assert set(robot.arm.interfaces) <= set(COMMAND_KINDS)
    assert set(robot.arm.gripper.interfaces) <= set(GRIPPER_KINDS)
    assert not [topic for topic in robot.arm.interfaces.values() if topic.startswith("/")]
    text = (share_path("config/robots") / f"{name}.yaml").read_text()
    assert "not tried on hardware" in text or "like: panda" in text


def test_there_are_those_that_the_readme_names():
    assert {"panda", "fr3", "ur5e", "xarm7", "so101"} <= set(ROBOTS)


def test_a_gripper_opens_linearly():
    gripper = load_robot("ur5e").arm.gripper
    assert gripper.position(0.0) == gripper.closed
    assert gripper.position(1.0) == gripper.open
    assert gripper.fraction(gripper.position(0.3)) == pytest.approx(0.3)
    assert gripper.fraction(2.0) == 0.0  # closed further than closed


@pytest.mark.parametrize(("changes", "reason"), [
    ({"interface": "telepathy"}, "interface 'telepathy' is none of its own"),
    ({"interfaces__telepathy": "x"}, "interface 'telepathy'"),
    ({"joint_speeds": [0.0] * 7}, "must be positive"),
    ({"tip": None}, "given together"),
    ({"tool": [0, 0, 0]}, "got 3 numbers"),
    ({"gripper__open": 0.0}, "not open where it is closed"),
    ({"gripper__interface": "joint_velocity"}, "interface 'joint_velocity'"),
])  # fmt: skip
def test_what_is_no_arm_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        read_arm(section(**changes))


@pytest.mark.parametrize(("changes", "reason"), [
    ({"home": [0.0] * 7}, "home lies outside the limits of panda_joint4"),
    ({"joint_speeds": [1.0] * 6}, "has 7 joints, and joint_speeds 6 entries"),
])  # fmt: skip
def test_an_arm_fits_its_robot(tmp_path: Path, changes, reason):
    plain = yaml.safe_load((share_path("config/robots") / "panda.yaml").read_text())
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(plain | {"arm": section(**changes)}))
    with pytest.raises(ValueError, match=reason):
        load_robot(file)


def test_a_robot_may_say_nothing_of_its_arm(tmp_path: Path):
    plain = yaml.safe_load((share_path("config/robots") / "panda.yaml").read_text())
    del plain["arm"]
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(plain))
    assert load_robot(file).arm is None
