"""`zipmo status`: what a graph says of itself, told as it is."""

import json

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String

from zipmo_ros.apps import status
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.watching import SILENT_AFTER, WINDOW, Watcher
from zipmo_ros.nodes.wire import messages, topics

pytestmark = pytest.mark.ros

VIEWS = load_robot().views


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def told(name, level=DiagnosticStatus.OK, message="ok", **values):
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(status=[DiagnosticStatus(name=name, level=level, message=message, values=pairs)])


def stamped(kind, seconds):
    message = kind()
    message.header.stamp = messages.to_stamp(round(seconds * 1e9))
    return message


def test_a_graph_is_told_as_it_is(graph):
    clock = Clock()
    somebody = graph.add(Node("somebody", **graph.options()))
    watcher = Watcher(graph.add(Node("watcher", **graph.options())), VIEWS, clock)
    assert not watcher
    diagnostics = somebody.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, 10)
    joints = somebody.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
    plans = somebody.create_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
    somebody.create_publisher(String, topics.EPISODE, topics.LATCHED).publish(
        String(data=json.dumps({"task": "wander", "step": 20, "state": "running"}))
    )
    somebody.create_publisher(Bool, topics.EMERGENCY_STOP, topics.LATCHED).publish(Bool(data=True))
    graph.until(lambda: joints.get_subscription_count() and plans.get_subscription_count())
    diagnostics.publish(told("planner", rate_hz="9.80", inference_ms_p50="21.50", drops="3", state="active",
                             instruction="stack them", about="agentview (34, 60) %"))  # fmt: skip
    diagnostics.publish(told("policy", DiagnosticStatus.ERROR, "arm stopped: why not", safety="stopped"))
    diagnostics.publish(told("other/policy", safety="armed"))  # of another namespace
    for step in range(6):
        joints.publish(stamped(JointState, 7 + step / 10))
        graph.turn(0.05)
    plans.publish(stamped(Image, 7.25))
    graph.until(lambda: watcher.snapshot().topics[topics.MOTION_EMBEDDING]["age_s"] is not None)
    graph.until(lambda: set(watcher.snapshot().nodes) == {"planner", "policy"} and watcher.snapshot().episode)

    clock.now += 1.0
    snapshot = watcher.snapshot()
    assert snapshot.topics[topics.JOINT_STATES] == {"rate_hz": 6 / WINDOW, "age_s": 1.0}
    assert snapshot.topics[topics.MOTION_EMBEDDING]["behind_joints_s"] == pytest.approx(0.25)
    assert (snapshot.instruction, snapshot.about) == ("stack them", "agentview (34, 60) %")
    assert snapshot.emergency_stop is True
    from rich.console import Console

    console = Console(width=140)
    with console.capture() as capture:
        console.print(status.render(snapshot))
    shown = capture.get()
    for words in ("stack them", "policy stopped, EMERGENCY STOP PRESSED", "task wander, step 20, state running"):
        assert words in shown
    assert "21.50" in shown
    assert "policy: arm stopped: why not" in shown

    clock.now += SILENT_AFTER + 1
    assert watcher.snapshot().nodes["planner"]["level"] == "silent"


def test_where_nothing_runs_it_is_said(fresh_domain, monkeypatch, capsys):
    domain = fresh_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    assert status.main(["--once", "patience=0.2"]) == 1
    shown = capsys.readouterr().out
    assert f"nothing runs in namespace / of ROS domain {domain}" in shown
    assert "zipmo up sim" in shown
