"""The recorder: all of a graph in a bag, which replays to the same plans and commands."""

import json
import os
import signal
import subprocess

import graph_stubs
import numpy as np
import pytest

pytest.importorskip("rosbags")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool, String
from test_lockstep import Bench

from zipmo_ros.contract import topics
from zipmo_ros.data.bag import Bag
from zipmo_ros.data.bag_writer import left_behind
from zipmo_ros.evaluation.replay import Replay
from zipmo_ros.nodes.graph import GRAPHS, RECORDER
from zipmo_ros.nodes.processes import command_line
from zipmo_ros.nodes.recorder_node import RecorderNode
from zipmo_ros.nodes.wire.topics import LATCHED
from zipmo_ros.runtime.ensembling import TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT


def recorder(graph, out, namespace="", **parameters):
    options = graph.options(out=str(out), autostart=False, **parameters)
    return graph.start(RecorderNode(namespace=namespace, **options))


def bag_of(node, graph):
    """The bag of a recorder that is told to end."""
    node.trigger_deactivate()
    graph.remove(node)
    return Bag(node._bag)


def test_what_is_recorded_replays_to_the_same_plans_and_commands(graph, tmp_path):
    node = recorder(graph, tmp_path)
    bench = Bench(graph)
    graph.until(lambda: {"planner", "policy", "sim"} <= set(node._facts.plain()["nodes"]), what="for the parameters")
    bench.instruct("wander about")
    bench.run(task="wander", init_state=30, seed=0)
    bench.instruct("rest")
    bench.run(task="rest", init_state=31, seed=0)
    bag = bag_of(node, graph)
    counts = bag.counts()
    assert counts["/motion_embedding"] >= 25
    assert counts["/command/pose"] == counts["/command/gripper"] >= 50
    assert {"/agentview/image_raw", "/joint_states", "/current_pose", "/diagnostics", "/clock"} <= set(counts)
    told = bag.run["nodes"]["planner"]
    assert told["parameters"]["seed"] == 0
    assert told["models"]["checkpoint_hash"] == "stub-hash"
    assert [c for c in bag.run["changes"] if c["name"] == "task"][-1]["value"] == "rest"
    assert bag.run["drops"] == {}

    horizon = Horizon(TemporalEnsemble(), 2, ROBOT)
    stubs = graph_stubs.StubPlanner(), graph_stubs.StubPolicy()
    found = Replay(bag, ROBOT, *stubs, horizon=horizon, seed=0, lockstep=True).run()
    for topic, comparison in found.items():
        assert comparison.identical == len(comparison.stamps) > 20, topic
        assert not comparison.unanswered, topic

    horizon.reset()
    found = Replay(bag, ROBOT, *stubs, horizon=horizon, seed=1, lockstep=True).run()
    assert found[topics.MOTION_EMBEDDING].identical == 0
    assert len(found[topics.POSE].differing) > 20


def test_late_latched_and_best_effort_topics_are_heard_once_each(graph, tmp_path):
    somebody = graph.add(Node("somebody", **graph.options()))
    somebody.create_publisher(Bool, "emergency_stop", LATCHED).publish(Bool(data=True))
    node = recorder(graph, tmp_path)
    graph.until(lambda: node._writer.written, what="for what was said before it came")
    late = somebody.create_publisher(String, "late", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
    latched = somebody.create_publisher(String, "late/latched", LATCHED)
    graph.until(lambda: late.get_subscription_count() and latched.get_subscription_count() == 2)
    for number in range(5):
        late.publish(String(data=f"{number}"))
        latched.publish(String(data=f"{number}"))
        graph.turn(0.1)
    bag = bag_of(node, graph)
    assert [h.message.data for h in bag.messages("late")] == list("01234")
    assert [h.message.data for h in bag.messages("late/latched")] == list("01234")
    assert [h.message.data for h in bag.messages(topics.EMERGENCY_STOP)] == [True]


def test_a_namespace_is_recorded_alone(graph, tmp_path):
    left, right = (graph.add(Node("talker", namespace=side, **graph.options())) for side in ("left", "right"))
    heard = [node.create_publisher(String, "episode", LATCHED) for node in (left, right)]
    for publisher, name in zip(heard, ("left", "right"), strict=True):
        publisher.publish(String(data=json.dumps(name)))
    node = recorder(graph, tmp_path, namespace="left")
    graph.until(lambda: node._writer.written)
    graph.turn(0.5)
    bag = bag_of(node, graph)
    assert bag.namespace == "/left"
    assert [json.loads(h.message.data) for h in bag.messages(topics.EPISODE)] == ["left"]
    assert not [topic for topic in bag.counts() if topic.startswith("/right")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_bag(graph, tmp_path, number):
    somebody = graph.add(Node("somebody", **graph.options()))
    said = somebody.create_publisher(String, "said", QoSProfile(depth=50))
    written = []

    def on_diagnostics(message):
        values = {pair.key: pair.value for pair in message.status[0].values}
        written.append(int(values["messages"]))

    somebody.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, on_diagnostics, 10)
    table = GRAPHS["record"]
    words = command_line(table, RECORDER, table.values({"bags": str(tmp_path)}))
    environment = {**os.environ, "ROS_DOMAIN_ID": str(graph.domain)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    try:
        graph.until(said.get_subscription_count, what="for the recorder")
        for word in range(20):
            said.publish(String(data=f"{word}"))
        graph.until(lambda: written and written[-1] >= 20, what="for the recorder's report")
        process.send_signal(number)
        log = process.communicate(timeout=30)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log
    (folder,) = tmp_path.iterdir()
    assert f"{folder}: " in log
    assert [heard.message.data for heard in Bag(folder).messages("said")] == [f"{word}" for word in range(20)]


def test_each_activation_has_a_bag_of_its_own(graph, tmp_path):
    node = recorder(graph, tmp_path)
    assert [path.name for path in left_behind(tmp_path)] == [node._writer.folder.name]
    node.trigger_deactivate()
    first = node._bag
    node.trigger_activate()
    node.trigger_deactivate()
    assert node._bag != first
    assert not left_behind(tmp_path)
    assert np.all([(bag / "metadata.yaml").is_file() for bag in (first, node._bag)])
