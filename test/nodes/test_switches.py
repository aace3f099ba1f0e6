"""`zipmo stop` and `zipmo arm`: what they do to the nodes of a namespace, and what they say where nobody listens."""

import os
import threading

import graph_stubs
import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from zipmo_ros.apps import arm, stop
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.wire import topics

pytestmark = pytest.mark.ros


@pytest.fixture
def running(graph, monkeypatch):
    """The graph's nodes turn in a thread, so that the commands can be called as they are."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(graph.domain))
    executor, over = SingleThreadedExecutor(context=graph.context), threading.Event()

    def turn():
        while not over.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=turn)

    def start(*nodes):
        for node in nodes:
            executor.add_node(node)
        thread.start()

    yield start
    over.set()
    if thread.ident is not None:
        thread.join()
    executor.shutdown()
    assert os.environ["ROS_DOMAIN_ID"] == str(graph.domain)


def policy(graph):
    node = PolicyNode(graph_stubs.load_policy, **graph.options(checkpoint="stub", autostart=False))
    node.trigger_configure()
    node.trigger_activate()
    return node


def test_stop_stops_and_arm_re_arms(graph, running, capsys):
    node = policy(graph)
    running(node)
    assert stop.main([]) == 0
    assert capsys.readouterr().out == "/policy: stopped\n"
    assert not node.safety.armed
    assert arm.main([]) == 0
    assert capsys.readouterr().out == "/policy: armed\n"
    assert node.safety.armed
    node.close()
    node.destroy_node()


def test_a_stop_that_somebody_else_holds_is_not_released(graph, running, capsys):
    node, button = policy(graph), Node("button", **graph.options())
    button.create_publisher(Bool, topics.EMERGENCY_STOP, topics.LATCHED).publish(Bool(data=True))
    running(node, button)
    graph_stopped = threading.Event()
    for _ in range(100):
        if not node.safety.armed:
            break
        graph_stopped.wait(0.1)
    assert arm.main([]) == 1
    shown = capsys.readouterr().out
    assert "/policy: NOT done: " in shown
    assert "it is for button to release" in shown
    assert not node.safety.armed
    node.close()
    for each in (node, button):
        each.destroy_node()


def test_one_that_refuses_is_told_and_other_namespaces_are_left_alone(graph, running, capsys):
    asked = []

    def answer(name, done):
        def take(_, response):
            asked.append(name)
            response.success, response.message = done, f"I am {name}"
            return response

        return take

    nodes = [Node(name, namespace=side, **graph.options()) for side, name in
             (("left", "policy"), ("left", "arm"), ("right", "policy"))]  # fmt: skip
    for node, done in zip(nodes, (True, False, True), strict=True):
        node.create_service(Trigger, "~/arm", answer(node.get_fully_qualified_name(), done))
    running(*nodes)
    assert arm.main(["namespace=left"]) == 1
    assert capsys.readouterr().out == "/left/arm: NOT done: I am /left/arm\n/left/policy: I am /left/policy\n"
    assert sorted(asked) == ["/left/arm", "/left/policy"]
    for node in nodes:
        node.destroy_node()


@pytest.mark.parametrize(
    ("command", "reason"), [(arm, "no node has a service ~/arm"), (stop, "nobody listens to /emergency_stop")]
)
def test_where_there_is_nobody_it_is_said(graph, monkeypatch, capsys, command, reason):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(graph.domain))
    assert command.main(["timeout=0.3"]) == 1
    assert f"{reason} in namespace / of ROS domain {graph.domain}" in capsys.readouterr().err
