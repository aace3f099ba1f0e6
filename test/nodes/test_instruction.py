"""Which sentence is followed: the newest, whoever said it, however it was published and wherever that node is now."""

import time

import graph_stubs
import pytest
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from test_planner_inputs import Cameras

from zipmo_ros.nodes import say as say_module
from zipmo_ros.nodes.graph import PLANNER, POLICY
from zipmo_ros.nodes.instruction import SETTLE, Announcement, Instruction
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.settings import ModelParameters
from zipmo_ros.nodes.wire import topics

pytestmark = pytest.mark.ros

VOLATILE = QoSProfile(depth=10)  # what `ros2 topic pub` offers


class PolicyStub(ManagedNode):
    """A follower under the policy's name."""

    entry, schema = POLICY, ModelParameters

    def __init__(self, **options):
        super().__init__(**options)
        self.instruction = Instruction(self)

    def begin(self):
        self.instruction.acknowledge()


class PlannerStub(PolicyStub):
    """A follower under the planner's name."""

    entry = PLANNER


def follower(graph, kind):
    """An active one."""
    return graph.start(kind(**graph.options(autostart=False, checkpoint="stub")))


def follows(node):
    sentence = node.instruction.sentence
    return sentence and sentence.text


def publish(graph, text, qos, name="speaker", to=True):
    """As a node of its own that goes on; returns it. to: somebody who is to hear it now."""
    node = graph.add(Node(name, **graph.options()))
    publisher = node.create_publisher(String, topics.INSTRUCTION, qos)
    graph.until(lambda: publisher.get_subscription_count() or not to)
    publisher.publish(String(data=text))
    return node


@pytest.mark.parametrize("qos", [VOLATILE, topics.LATCHED], ids=["volatile", "latched"])
def test_publishers_that_keep_their_sentence_and_those_that_do_not_are_heard(graph, qos):
    node = follower(graph, PlannerStub)
    publish(graph, "wander", qos)
    graph.until(lambda: follows(node) == "wander")
    assert node.report.events == 0


def test_a_sentence_that_was_kept_is_heard_by_who_comes_later(graph):
    publish(graph, "wander", topics.LATCHED, to=None)
    node = follower(graph, PlannerStub)
    graph.until(lambda: follows(node) == "wander")


def test_one_that_is_heard_in_both_ways_is_taken_once_and_in_order(graph):
    follower(graph, PlannerStub)
    taken = []
    speaker = graph.add(Node("speaker", **graph.options()))
    speaker.create_subscription(String, f"planner/{topics.INSTRUCTION_IN_USE}", lambda m: taken.append(m.data), 50)
    publisher = speaker.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
    graph.until(lambda: publisher.get_subscription_count() == 2)
    graph.until(lambda: speaker.count_publishers(f"planner/{topics.INSTRUCTION_IN_USE}"))
    said = [f"sentence {number}" for number in range(20)]
    for text in said:
        publisher.publish(String(data=text))
        graph.turn(0.03)
    graph.until(lambda: taken and taken[-1] == said[-1])
    graph.turn(0.2)
    assert taken == [text for text in said if text in taken]


def test_a_planner_that_comes_back_follows_what_was_said_and_not_what_an_older_one_kept(graph):
    publish(graph, "rest", topics.LATCHED, "simulator", to=None)  # and is still there, with its sentence
    policy, planner = follower(graph, PolicyStub), follower(graph, PlannerStub)
    graph.until(lambda: follows(policy) == follows(planner) == "rest")
    graph.remove(publish(graph, "wander", topics.LATCHED, "said"))  # as `zipmo say`, which ends
    graph.until(lambda: follows(policy) == follows(planner) == "wander")
    graph.remove(planner)
    back, followed = follower(graph, PlannerStub), []
    graph.until(lambda: followed.append(follows(back)) or follows(back))
    assert set(followed) == {None, "wander"}  # it never had the older one, not for a moment
    graph.remove(policy)
    policy = follower(graph, PolicyStub)
    graph.until(lambda: follows(policy) == "wander")


def test_what_is_announced_after_it_was_said_is_newer(graph):
    policy, planner = follower(graph, PolicyStub), follower(graph, PlannerStub)
    graph.remove(publish(graph, "wander", VOLATILE, "said"))
    graph.until(lambda: follows(policy) == follows(planner) == "wander")
    graph.remove(planner)
    publish(graph, "rest", topics.LATCHED, "simulator")
    graph.until(lambda: follows(policy) == "rest")
    back = follower(graph, PlannerStub)
    graph.until(lambda: follows(back) == "rest")


def test_with_nobody_there_who_knows_a_planner_waits(graph):
    """The simulator has announced one, somebody said another, and all that followed are gone."""
    simulator = graph.add(Node("simulator", **graph.options()))
    announcement = Announcement(simulator)
    announcement.give("rest")
    planner = follower(graph, PlannerStub)
    graph.until(lambda: follows(planner) == "rest")
    graph.remove(publish(graph, "wander", topics.LATCHED, "said"))
    graph.until(lambda: follows(planner) == "wander")
    graph.until(lambda: announcement._announced is None)
    graph.remove(planner)
    back = follower(graph, PlannerStub)
    graph.turn(SETTLE + 0.5)
    assert back.instruction.wanted() is None
    assert back.report.states == ("no_instruction",)
    announcement.give("rest again")  # a new task
    graph.until(lambda: follows(back) == "rest again")


def test_followers_agree_on_what_was_said_at_once(graph):
    policy, planner = follower(graph, PolicyStub), follower(graph, PlannerStub)
    speakers = [graph.add(Node(f"speaker{n}", **graph.options())) for n in range(4)]
    publishers = [node.create_publisher(String, topics.INSTRUCTION, VOLATILE) for node in speakers]
    graph.until(lambda: all(p.get_subscription_count() == 2 for p in publishers))
    for number, publisher in enumerate(publishers):
        publisher.publish(String(data=f"sentence {number}"))
    graph.turn(1.0)
    assert follows(policy) == follows(planner) is not None


def info(text="wander", at_ns=None):
    return {"source_timestamp": time.time_ns() if at_ns is None else at_ns, "publisher_gid": {"data": text.encode()}}


def test_who_speaks_now_is_newest_though_its_clock_is_behind(graph):
    node = follower(graph, PlannerStub)
    instruction = node.instruction
    instruction._on_live(String(data="wander"), info("here"))
    instruction._on_live(String(data="rest"), info("there", at_ns=time.time_ns() - 10**10))
    assert follows(node) == "rest"
    instruction._on_kept(String(data="rest"), info("there", at_ns=time.time_ns() - 10**10))
    instruction._on_other(String(data='{"sentence": "wander", "said_at_ns": 7}'))
    assert follows(node) == "rest"
    instruction._on_other(String(data="no JSON"))
    assert "instruction_in_use/info: can't be read" in node.report.last_error


def test_a_bad_sentence_is_refused_once_though_it_is_heard_twice(graph):
    node = follower(graph, PlannerStub)
    publish(graph, "  ", topics.LATCHED)
    graph.until(lambda: node.report.events)
    graph.turn(0.2)
    assert node.report.events == 1


@pytest.fixture
def beside(graph, monkeypatch):
    """`say` in this process: it turns the graph's executor, too."""
    import rclpy

    monkeypatch.setenv("ROS_DOMAIN_ID", str(graph.domain))
    spin_once = rclpy.spin_once

    def turn(node, timeout_sec):
        graph.executor.spin_once(timeout_sec=0.01)
        spin_once(node, timeout_sec=0.01)

    monkeypatch.setattr(rclpy, "spin_once", turn)
    return say_module.say


def test_say_returns_once_it_is_followed(graph, beside):
    planner = graph.start(PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint="stub", autostart=False)))
    beside("wander")
    assert planner.values()["instruction"] == "wander"


def test_say_tells_what_the_next_plan_does_not_understand(graph, beside):
    planner = graph.start(
        PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint="stub", autostart=False, planner="doubtful"))
    )
    cameras, stamps = Cameras(graph), iter(range(0, 10**13, 10**9))
    ticking = cameras.node.create_timer(0.05, lambda: cameras.show(next(stamps)))
    assert beside("fold the towel") == "not understood (0.12); the arm holds"
    assert beside("wander") is None
    assert beside("fold the towel") == "not understood (0.12); the arm holds"
    ticking.cancel()
    assert planner.active


def test_what_say_gave_up_is_not_followed_later(graph, beside):
    node = PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint="stub", autostart=False))
    graph.add(node)
    assert node.trigger_configure().name == "SUCCESS"
    with pytest.raises(TimeoutError, match="planner is inactive; nothing was said, and nothing changes later"):
        beside("wander", timeout=2.0)
    assert node.trigger_activate().name == "SUCCESS"
    graph.turn(SETTLE + 0.5)
    assert node.values()["instruction"] is None
