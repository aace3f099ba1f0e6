"""`zipmo calibrate` and `zipmo home` through the arm node, before a stand-in for CRISP."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="the fake arms need pin")

from test_arm_node import PATIENT, Commander

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.arm_node import ArmNode
from zipmo_ros.nodes.faults.fake_arms import CrispStandIn

pytestmark = pytest.mark.ros

ROBOT = load_robot()
ROOTS = os.pathsep.join(str(Path(__file__).parents[2] / folder) for folder in ("", "policy", "sim"))


class Setup:
    """A fake arm and its node, turned while a command runs beside them."""

    def __init__(self, graph, joints=None, **parameters):
        self.graph = graph
        self.arm = graph.add(CrispStandIn(ROBOT, **graph.options()))
        if joints is not None:
            self.arm.joints = joints
            self.arm.target = self.arm.hand
        given = {"command_interface": "pose", "gripper_interface": "position_array", "autostart": False,
                 "begin_armed": True, **PATIENT, **parameters}  # fmt: skip
        self.node = graph.start(ArmNode(**graph.options(**given)))

    def run(self, *words, when=None, then=lambda process: process.send_signal(signal.SIGINT)):
        """(exit status, what was said) of `zipmo` with these words. when: condition of `then`, of Ctrl-C by default."""
        environment = {**os.environ, "ROS_DOMAIN_ID": str(self.graph.domain), "PYTHONPATH": ROOTS}
        command = [sys.executable, "-m", "zipmo_ros.apps.cli", *words]
        process = subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            if when is not None:
                self.graph.until(when, what="for the condition")
                then(process)
            self.graph.until(lambda: process.poll() is not None, timeout=120)
            return process.returncode, process.stdout.read()
        finally:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_calibrate_finds_the_gain_of_the_arm_at_hand(graph, tmp_path):
    pytest.importorskip("hydra")
    setup = Setup(graph)
    out = tmp_path / "arm.json"
    status, said = setup.run("calibrate", "compare=false", f"out={out}")
    assert status == 0, said
    report = json.loads(out.read_text())
    assert out.with_suffix(".png").is_file()
    for part in ("translation", "rotation"):  # goals are renewed late on a busy machine, and the arm is slower then
        assert 0.4 * CrispStandIn.STIFFNESS < report["arm"][part]["gain"] < 1.1 * CrispStandIn.STIFFNESS


def test_calibrate_says_that_an_arm_does_not_follow(graph, tmp_path):
    pytest.importorskip("hydra")
    setup = Setup(graph, begin_armed=False)
    status, said = setup.run("calibrate", "compare=false", f"out={tmp_path / 'arm.json'}")
    assert status == 1
    assert "did not follow along x: is the arm armed" in said


def test_home_is_where_episodes_start(graph):
    joints = np.array(ROBOT.arm.home) + np.array([0.1, -0.1, 0, 0.1, 0, 0, 0.2])
    setup = Setup(graph, joints)
    target = setup.arm.kinematics.forward(np.array(ROBOT.arm.home))
    assert np.linalg.norm(setup.arm.hand[:3] - target[:3]) > 0.03
    status, said = setup.run("home", "--speed", "0.1")
    assert (status, said) == (0, "home\n")
    assert np.linalg.norm(setup.arm.hand[:3] - target[:3]) < 0.012
    assert setup.arm.opening == ROBOT.gripper_open_m
    assert "stop request" in setup.node.safety.causes
    graph.turn(1.5 * PATIENT["command_timeout"])
    setup.node.safety.arm()  # although nobody commands it: the next tool has it armed before it begins


def test_home_that_is_interrupted_stops_the_arm(graph):
    setup = Setup(graph, np.array(ROBOT.arm.home) + np.array([0.4, 0, 0, 0, 0, 0, 0]))
    setup.run("home", "--speed", "0.05", when=lambda: setup.arm.hands and setup.arm.speed() > 0.02)
    assert list(setup.node.safety.causes) == ["stop request"]


def test_home_does_not_fight_a_policy(graph):
    setup = Setup(graph)
    graph.add(Commander(graph, offset=np.zeros(6)))
    status, said = setup.run("home")
    assert status == 1
    assert "somebody else publishes /command/pose: end the policy first" in said


def test_home_gives_way_to_a_policy_that_begins_later(graph):
    setup = Setup(graph, np.array(ROBOT.arm.home) + np.array([0.4, 0, 0, 0, 0, 0, 0]))
    status, said = setup.run(
        "home", "--speed", "0.05",
        when=lambda: setup.arm.hands and setup.arm.speed() > 0.02,
        then=lambda process: graph.add(Commander(graph, offset=np.zeros(6))),
    )  # fmt: skip
    assert status == 1
    assert "somebody else publishes /command/pose: end the policy first" in said
