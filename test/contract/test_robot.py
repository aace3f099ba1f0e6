"""Robots as YAML."""

import pytest

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path


def test_panda():
    robot = load_robot()
    assert robot == load_robot("panda")
    assert len(robot.proprio_names) == 9
    assert robot.period_ns == round(1e9 * robot.period_s)
    assert robot.camera(robot.views[0]).view == robot.views[0]
    with pytest.raises(ValueError, match="has no view 'nosuch'"):
        robot.camera("nosuch")


def test_somebody_elses(tmp_path):
    text = share_path("config/robots/panda.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("rate_hz: 20", "rate_hz: 10").replace("size: null", "size: [480, 640]"))
    robot = load_robot(file)
    assert (robot.rate_hz, robot.cameras[0].size) == (10, (480, 640))


def test_one_that_is_like_another_says_what_differs(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("like: panda\nname: mine\nlimits: {workspace: {upper: [0.7, 0.3, 0.6]}}\narm: {interface: twist}\n")
    mine, panda = load_robot(file), load_robot("panda")
    assert mine.limits.workspace.upper == (0.7, 0.3, 0.6)
    assert mine.limits.workspace.lower == panda.limits.workspace.lower
    assert mine.limits.translation == panda.limits.translation
    assert (mine.arm.interface, mine.arm.gripper) == ("twist", panda.arm.gripper)


def test_what_is_none_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no robot 'nosuch'; there are fr3, panda, panda_256, panda_640, so101"):
        load_robot("nosuch")
    file = tmp_path / "broken.yaml"
    file.write_text("name: broken\n")
    with pytest.raises(ValueError, match=r"broken.yaml does not describe a robot: KeyError\('cameras'\)"):
        load_robot(file)
