"""What the nodes have in common: no input ends a node, and who is listened to."""

import threading

import graph_stubs
import pytest
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from zipmo_ros.nodes.graph import PLANNER
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.settings import PlannerParameters
from zipmo_ros.nodes.worker import Worker

pytestmark = pytest.mark.ros

RELIABLE = QoSProfile(depth=10)
WANTED = graph_stubs.ROBOT.proprio_names


class Brittle(ManagedNode):
    """Breaks on the word of its topic, at the first tick of its timer, and on being asked."""

    entry, schema = PLANNER, PlannerParameters

    def __init__(self, **options):
        super().__init__(**options)
        self.heard, self.ticks, self.joints = [], 0, []
        self.create_subscription(String, "loose", self.hear, RELIABLE)
        self.subscribe(String, "guarded", self.hear, RELIABLE)
        self.subscribe(JointState, "joint_states", self.feel, RELIABLE, claims=lambda message: message.name)
        self.create_timer(0.05, self.tick)
        self.create_service(Trigger, "~/break", self.asked)

    def hear(self, message):
        self.heard.append({"go": 1, "stay": 2}[message.data])

    def feel(self, message):
        if any(value != value for value in message.position):
            raise ValueError("not finite")
        self.joints.append(list(message.name))

    def tick(self):
        self.ticks += 1
        if self.ticks == 1:
            raise RuntimeError("the first tick")

    def asked(self, request, response):
        raise LookupError("asked in vain")


@pytest.fixture
def brittle(graph):
    return graph.start(Brittle(**graph.options(autostart=False)))


@pytest.fixture
def other(graph, brittle):
    return graph.add(Node("other", **graph.options()))


def publisher(graph, node, kind, topic):
    made = node.create_publisher(kind, topic, RELIABLE)
    graph.until(made.get_subscription_count)
    return made


def test_what_breaks_in_a_callback_is_reported_and_dropped(graph, brittle, other):
    graph.until(lambda: brittle.ticks > 2)
    assert "timer: RuntimeError('the first tick'); dropped" in brittle.report.last_error
    for topic in ("loose", "guarded"):
        words = publisher(graph, other, String, topic)
        brittle.heard.clear()
        words.publish(String(data="nonsense"))
        graph.until(lambda topic=topic: f"{topic}: KeyError('nonsense'); dropped" in brittle.report.last_error)
        words.publish(String(data="go"))
        graph.until(lambda: brittle.heard == [1])


def test_a_job_s_continuation_that_breaks_does_not_end_the_node(graph, brittle):
    done = []
    brittle.submit(lambda: 7, lambda result: 1 / 0, done.append)
    graph.until(lambda: "after a job: ZeroDivisionError" in (brittle.report.last_error or ""))
    brittle.submit(lambda: 7, done.append, done.append)
    graph.until(lambda: done == [7])

    def failed(error):
        raise TypeError(f"about {error!r}")

    brittle.submit(lambda: 1 / 0, done.append, failed)
    graph.until(lambda: 'after a job: TypeError("about ZeroDivisionError' in brittle.report.last_error)


def test_a_job_is_finished_though_its_wake_up_call_gets_lost(graph, brittle):
    class Lost:
        def trigger(self):
            """As a trigger that the middleware takes back."""

    graph.turn(0.5)  # what activation has delivered is called by then
    brittle._wake, kept, done = Lost(), brittle._wake, []
    brittle.submit(lambda: 7, done.append, done.append)
    graph.until(lambda: done == [7], timeout=5.0)
    brittle._wake = kept


def test_a_service_that_breaks_is_no_success(graph, brittle, other):
    client = other.create_client(Trigger, "planner/break")
    graph.until(client.service_is_ready)
    answer = client.call_async(Trigger.Request())
    graph.until(answer.done)
    assert not answer.result().success
    assert "LookupError('asked in vain')" in brittle.report.last_error


def joint_state(names, value=0.0):
    return JointState(name=list(names), position=[value] * len(names))


@pytest.mark.identities
def test_who_says_nothing_valid_is_not_the_one_to_listen_to(graph, brittle, other):
    first = publisher(graph, other, JointState, "joint_states")
    first.publish(joint_state(WANTED, float("nan")))
    graph.until(lambda: "joint_states: not finite; message dropped" in (brittle.report.last_error or ""))
    sound = publisher(graph, other, JointState, "joint_states")
    sound.publish(joint_state(WANTED))
    graph.until(lambda: len(brittle.joints) == 1)
    first.publish(joint_state(WANTED, float("nan")))
    graph.until(lambda: "2 publishers on /joint_states" in brittle.report.last_error)
    assert "several_sources" in brittle.report.states


@pytest.mark.identities
def test_two_publishers_of_other_joints_are_both_heard(graph, brittle, other):
    arm, hand, rogue = (publisher(graph, other, JointState, "joint_states") for _ in range(3))
    arm.publish(joint_state(WANTED[:7]))
    graph.until(lambda: len(brittle.joints) == 1)
    hand.publish(joint_state(WANTED[7:]))
    graph.until(lambda: len(brittle.joints) == 2)
    rogue.publish(joint_state(WANTED[6:8]))
    graph.until(lambda: "3 publishers on /joint_states" in (brittle.report.last_error or ""))
    assert brittle.joints == [list(WANTED[:7]), list(WANTED[7:])]


def test_where_nobody_says_who_published_several_are_all_refused(graph, brittle, other):
    """As rclpy before Kilted: a publisher of another type is none that counts."""
    (source,) = [source for source in brittle.sources if source._topic == "joint_states"]
    message, nameless = joint_state(WANTED), {"source_timestamp": 1}
    publisher(graph, other, JointState, "joint_states")
    assert source.accepts(message, nameless)
    publisher(graph, other, JointState, "joint_states")
    graph.until(lambda: not source.accepts(message, nameless))
    assert "2 publishers on /joint_states" in brittle.report.last_error


def test_what_nobody_waits_for_is_done_when_there_is_nothing_else():
    worker, free, order = Worker("test"), threading.Event(), []
    began = threading.Event()
    try:
        worker.post(lambda: (began.set(), free.wait()))
        began.wait()
        assert not worker.post_idle(lambda: order.append("a picture"))
        assert not worker.post(lambda: order.append("a plan"))
        assert worker.post(lambda: order.append("a newer plan"))
        free.set()
        done = threading.Event()
        while len(order) < 2:
            done.wait(0.01)
        assert order == ["a newer plan", "a picture"]
    finally:
        free.set()
        assert worker.close(lambda: order.append("the end"), 10.0)
    assert order[-1] == "the end"
