"""Limits of a robot."""

import dataclasses

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.contract.limits import MotionLimits, Workspace
from zipmo_ros.contract.response import Response
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.share import share_path

LIMITS = load_robot().limits
DOCUMENTED = {"translation": (1.7, 13.0, 6500.0), "rotation": (2.5, 25.0, 12500.0)}  # Franka Control Interface, Panda


@pytest.mark.parametrize("part", DOCUMENTED)
def test_pandas_stay_below_the_manufacturers(part):
    ours = dataclasses.astuple(getattr(LIMITS, part))
    assert all(mine <= his for mine, his in zip(ours, DOCUMENTED[part], strict=True))


def test_no_action_is_a_jump():
    robot = load_robot()
    assert np.sqrt(3) * robot.translation_m < LIMITS.jump_m
    assert np.sqrt(3) * robot.rotation_rad < LIMITS.jump_rad
    assert LIMITS.action_size >= 1


@given(*[st.floats(0.1, 100)] * 3, st.floats(1e-3, 1))
def test_change_is_what_ruckig_needs_the_time_for(velocity, acceleration, ratio, seconds):
    ruckig = pytest.importorskip("ruckig")
    limits = MotionLimits(velocity, acceleration, acceleration * ratio)
    wanted = ruckig.InputParameter(1)
    wanted.control_interface = ruckig.ControlInterface.Velocity
    wanted.max_acceleration, wanted.max_jerk = [limits.acceleration], [limits.jerk]
    wanted.target_velocity = [limits.change(seconds)]
    trajectory = ruckig.Trajectory(1)
    ruckig.Ruckig(1).calculate(wanted, trajectory)
    assert trajectory.duration == pytest.approx(seconds, rel=1e-6)


def test_how_far_inside():
    workspace = Workspace((0, 0, 0), (1, 2, 3), ((0, 0.6, 0.8, 1.0),))
    np.testing.assert_allclose(workspace.inside(np.array([0.25, 1.0, -0.5])), [0.25, 1, -0.5, 0.75, 1, 3.5, -0.8])
    assert len(Workspace((0, 0, 0), (1, 2, 3)).inside(np.zeros(3))) == 6


def test_response():
    response = Response(gain=5.0, lag_s=0.1)
    assert response.share(-1.0) == response.share(0.0) == 0
    assert response.share(0.2) == pytest.approx(1 - np.exp(-1))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("limits", "translation", {"velocity": 0.0, "acceleration": 1.0, "jerk": 1.0}),
        ("limits", "translation", {"velocity": 1.0, "acceleration": 1.0}),
        ("limits", "rotation", {"velocity": 1.0, "acceleration": float("nan"), "jerk": 1.0}),
        ("limits", "jump_m", 0.0),
        ("limits", "joint_margin_rad", -0.1),
        ("limits", "gripper_rate_m_s", 0.0),
        ("limits", "workspace", {"lower": [0, 0, 0], "upper": [1, 1, 0], "planes": []}),
        ("limits", "workspace", {"lower": [0, 0], "upper": [1, 1], "planes": []}),
        ("limits", "workspace", {"lower": [0, 0, 0], "upper": [1, 1, 1], "planes": [[1, 1, 0, 0.5]]}),
        ("response", "gain", 0.0),
        ("response", "lag_s", -1.0),
    ],
)
def test_what_are_none_are_refused(tmp_path, section, key, value):
    plain = yaml.safe_load(share_path("config/robots/panda.yaml").read_text())
    plain[section][key] = value
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(plain))
    with pytest.raises(ValueError, match=r"broken.yaml does not describe a robot"):
        load_robot(file)
