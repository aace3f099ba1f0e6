"""Where an arm stands once it was stopped: there, and not where it was when it was seen last."""

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="the fake arms need pin")

from arm_bench import Bench
from rclpy.node import Node
from std_msgs.msg import String

from zipmo_ros.nodes.wire import messages, topics

pytestmark = pytest.mark.ros

BACK = 0.008  # m that a stop may pull the hand back by


def pulled_back(bench):
    """Metres from the hand's farthest place to the one it comes to, along the way that it was sent."""
    bench.graph.until(lambda: not bench.node.safety.armed, what="for a stop")
    bench.graph.turn(1.0)
    way = np.array([pose[0] for _, pose in bench.arm.hands])
    return way.max() - way[-1]


@pytest.mark.parametrize("what", ["silent", "frozen"])
def test_a_hand_that_is_not_seen_is_held_where_its_joints_are(graph, what):
    bench = Bench(graph, "pose", joint_timeout=0.4)
    bench.until_it_moves()
    tap, frozen = bench.arm.taps["hand"], bench.arm.hand

    def freeze(message):
        pose = messages.pose_message(frozen, messages.to_ns(message.header.stamp), bench.arm.robot)
        return (pose,) if what == "frozen" else ()

    tap.tamper = freeze
    assert pulled_back(bench) < BACK
    assert np.linalg.norm(bench.arm.hand[:3] - frozen[:3]) > 2 * BACK  # it was on its way, unseen


def test_the_commanders_word_stops_it_at_once(graph):
    bench = Bench(graph, "pose")
    bench.until_it_moves()
    stop = bench.commander.create_publisher(String, topics.STOP, topics.OFFERED)
    graph.until(stop.get_subscription_count)
    stop.publish(String(data="no plan"))
    assert bench.stops("its commander has stopped it: no plan") < 0.02
    assert bench.call("arm").success  # nothing persists: what comes is commands again
    bench.until_it_moves()


def test_a_measured_pose_of_another_frame_stops_it_until_there_is_another(graph):
    bench = Bench(graph, "pose")
    bench.until_it_moves()

    def rename(message):
        message.header.frame_id = "world"
        return (message,)

    bench.arm.taps["hand"].tamper = rename
    bench.stops("current_pose is of frame 'world', expected 'panda_link0'")
    graph.turn(0.2)  # commands of the right frame go on
    assert "wrong frame" in bench.call("arm").message
    bench.arm.taps["hand"].tamper = None
    graph.until(lambda: bench.call("arm").success)


def test_a_standing_arm_is_not_stopped_by_it(graph):
    bench = Bench(graph, "pose", commands=False)
    somebody = graph.add(Node("somebody", **graph.options()))
    stop = somebody.create_publisher(String, topics.STOP, topics.OFFERED)
    graph.until(stop.get_subscription_count)
    stop.publish(String(data="no plan"))
    graph.turn(0.3)
    assert bench.node.safety.armed
