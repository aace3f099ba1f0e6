"""Grippers that are commanded by actions of control_msgs, with stand-ins: no wheel has the actions."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="joint velocities need pin")

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.arm_node import ArmNode

pytestmark = pytest.mark.ros


def test_without_control_msgs_actions_are_refused_at_configure(graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "control_msgs.action", None)
    node = graph.add(ArmNode(**graph.options(gripper_interface="gripper_command", autostart=False)))
    assert node.trigger_configure().name == "FAILURE"
    assert "'gripper_command' is an action of control_msgs" in node.report.last_error


class GoalStandIn:
    """A goal of an action of control_msgs: any fields."""

    def __init__(self):
        self.command = types.SimpleNamespace()


class ClientStandIn:
    """What rclpy's ActionClient is asked."""

    def __init__(self, node, kind, name):
        self.name, self.goals = name, []

    def server_is_ready(self):
        return True

    def send_goal_async(self, goal):
        self.goals.append(goal)

    def destroy(self):
        """Nothing to free."""


@pytest.mark.parametrize("kind", ["gripper_command", "parallel_gripper_command"])
def test_gripper_actions_get_a_goal_for_each_new_opening(graph, monkeypatch, kind):
    actions = types.ModuleType("control_msgs.action")
    action = types.SimpleNamespace(Goal=GoalStandIn)
    actions.GripperCommand = actions.ParallelGripperCommand = action
    monkeypatch.setitem(sys.modules, "control_msgs.action", actions)
    monkeypatch.setattr("zipmo_ros.nodes.outputs.ActionClient", ClientStandIn)
    robot = "panda" if kind == "gripper_command" else "ur5e"
    interface = "joint_velocity" if robot == "panda" else "twist"
    node = graph.start(ArmNode(**graph.options(robot=robot, command_interface=interface, gripper_interface=kind,
                                               autostart=False)))  # fmt: skip
    client = node.controllers.gripper_output._client
    spec = node.controllers.gripper.spec
    assert client.name == spec.interfaces[kind]
    for opening in (0.0, 0.0, 0.0002, load_robot(robot).gripper_open_m):
        node._send_gripper(opening)
    commands = [goal.command for goal in client.goals]
    assert [np.ravel(command.position).tolist() for command in commands] == [[spec.closed], [spec.open]]
    if kind == "gripper_command":
        assert commands[0].max_effort == spec.effort
    else:
        assert commands[0].name == list(spec.joints)
        assert commands[0].effort == [spec.effort]
