"""What the planner does with input that is wrong, over the wire."""

import time

import graph_stubs
import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT
PERIOD = ROBOT.period_ns
BLACK = np.zeros((128, 128, 3), np.uint8)


class Cameras:
    """Publishes images and instructions, and hears plans and diagnostics."""

    def __init__(self, graph, name="cameras"):
        self.graph = graph
        self.node = graph.add(Node(name, **graph.options()))
        self.plans, self.in_use, self.status = [], [], DiagnosticStatus()
        self.images = {v: self.node.create_publisher(Image, topics.image_topic(v), topics.SENSOR) for v in ROBOT.views}
        self.joints = self.node.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self.posture = np.zeros(len(ROBOT.proprio_names))  # of an arm that stands still: pictures may be alike
        self.instruction = self.node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self.node.create_subscription(Image, topics.MOTION_EMBEDDING, self.plans.append, 10)
        self.node.create_subscription(
            String, "planner/instruction_in_use", lambda m: self.in_use.append(m.data), topics.LATCHED
        )
        self.node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_status, 10)
        graph.until(lambda: all(p.get_subscription_count() for p in (self.joints, *self.images.values())))
        graph.until(lambda: self.node.count_publishers(topics.MOTION_EMBEDDING))

    def _on_status(self, message):
        self.status = message.status[0]

    def show(self, stamp_ns, views=ROBOT.views, image=BLACK):
        self.joints.publish(convert.joint_state_message(self.posture, stamp_ns, ROBOT))
        for view in views:
            self.images[view].publish(convert.image_message(image, stamp_ns, view))

    def stamps(self):
        return [convert.to_ns(plan.header.stamp) for plan in self.plans]

    def plan_for(self, stamp_ns):
        """Show a pair of images until the plan for it is heard (they are best effort)."""
        for _ in range(50):
            self.show(stamp_ns)
            self.graph.turn(0.1)
            if stamp_ns in self.stamps():
                return
        raise AssertionError(f"no plan for {stamp_ns}; {self.status}")

    def value(self, key):
        return next((pair.value for pair in self.status.values if pair.key == key), None)

    def instruct(self, sentence):
        self.instruction.publish(String(data=sentence))


@pytest.fixture
def planner(graph):
    return graph.start(PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint="stub", autostart=False)))


@pytest.fixture
def cameras(graph, planner):
    made = Cameras(graph)
    made.instruct("wander")
    graph.until(lambda: made.in_use == ["wander"])
    return made


def test_a_plan_is_stamped_with_its_observation(cameras, planner):
    cameras.plan_for(7 * PERIOD)
    plan = cameras.plans[-1]
    assert (plan.encoding, plan.height, plan.width, plan.header.frame_id) == ("32FC4", 4, 2, "agentview")
    assert convert.read_embedding(plan, views=2).shape == graph_stubs.LATENT
    cameras.graph.until(lambda: cameras.value("inference_ms_p50") not in (None, "-"))
    assert cameras.value("checkpoint_hash") == "stub-hash"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: setattr(m, "encoding", "mono8"), "agentview/image_raw: encoding is 'mono8', expected one of rgb8"),
        (lambda m: setattr(m, "height", 64), "agentview/image_raw: image holds 49152 bytes with rows of 384"),
        (lambda m: setattr(m, "data", m.data[:-1]), "agentview/image_raw: image holds 49151 bytes with rows of 384"),
    ],
)
def test_images_that_do_not_fit_are_dropped(graph, cameras, planner, change, reason):
    message = convert.image_message(BLACK, PERIOD, "agentview")
    change(message)

    def send():
        cameras.images["agentview"].publish(message)
        return reason in (planner.report.last_error or "")

    graph.until(send)
    graph.until(lambda: reason in (cameras.value("last_error") or ""))
    cameras.show(PERIOD, ["eye_in_hand"])
    graph.turn(0.2)
    assert not cameras.plans
    cameras.plan_for(2 * PERIOD)


def test_a_missing_camera_is_named(graph, cameras, planner):
    cameras.plan_for(0)

    def complaint():
        cameras.show(4 * PERIOD, ["agentview"])
        return cameras.status.message

    graph.until(lambda: "nothing heard on /eye_in_hand/image_raw" in complaint())
    assert "agentview" not in cameras.status.message
    assert "camera_silent" in cameras.value("states")
    cameras.plan_for(8 * PERIOD)
    graph.until(lambda: cameras.show(8 * PERIOD) or cameras.status.message == "ok", what=str(cameras.status))


def test_time_that_goes_back_is_said_and_starts_afresh(graph, cameras, planner):
    cameras.plan_for(100 * PERIOD)
    cameras.plan_for(0)
    assert cameras.stamps()[-1] == 0
    assert "image stamps went back from 5.00 s to 0.00 s" in planner.report.last_error


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [("  ", "the instruction is empty"), ("x" * 10_000, "has 10000 characters, at most 1000")],
)
def test_bad_instructions_leave_the_former_one(graph, cameras, planner, sentence, reason):
    cameras.instruct(sentence)
    graph.until(lambda: reason in (cameras.value("last_error") or ""))
    assert "'wander' stays" in planner.report.last_error
    assert cameras.value("instruction") == "wander"
    assert cameras.in_use == ["wander"]


def test_the_sentence_changes_the_plan_of_the_same_images(graph, cameras, planner):
    cameras.plan_for(0)
    first = np.array(cameras.plans[-1].data)
    cameras.instruct("rest")
    graph.until(lambda: cameras.in_use[-1] == "rest")
    cameras.plans.clear()
    cameras.plan_for(0)
    assert not np.array_equal(first, np.array(cameras.plans[-1].data))


@pytest.mark.identities
def test_second_camera_driver_is_refused(graph, cameras, planner):
    cameras.plan_for(0)
    intruder = Cameras(graph, "intruder")
    intruder.show(4 * PERIOD)
    graph.until(lambda: "2 publishers on /agentview/image_raw" in (planner.report.last_error or "")
                or "2 publishers on /eye_in_hand/image_raw" in (planner.report.last_error or ""))  # fmt: skip
    assert "/cameras" in planner.report.last_error
    assert "/intruder" in planner.report.last_error
    assert 4 * PERIOD not in cameras.stamps()
    cameras.plan_for(8 * PERIOD)


def test_a_publisher_of_another_type_is_named(graph, cameras, planner):
    elsewhere = rclpy.Context()  # one process of the middleware refuses two types on a topic by itself
    rclpy.init(context=elsewhere, domain_id=graph.domain)
    stranger = Node("stranger", context=elsewhere, use_global_arguments=False)
    try:
        stranger.create_publisher(String, topics.image_topic("agentview"), topics.SENSOR)
        graph.until(lambda: "must carry sensor_msgs/msg/Image" in (planner.report.last_error or ""))
        assert "stranger publishes std_msgs/msg/String" in planner.report.last_error
        cameras.plan_for(0)  # the right one is heard all the same
    finally:
        stranger.destroy_node()
        elsewhere.try_shutdown()


def test_a_planner_that_breaks_says_so_and_goes_on(graph, cameras, planner, monkeypatch):
    cameras.plan_for(0)

    def broken(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(planner._planner, "plan", broken, raising=False)
    graph.until(lambda: cameras.show(4 * PERIOD) or "planning failed: out of memory" in cameras.status.message)
    monkeypatch.undo()
    cameras.plan_for(4 * PERIOD)
    graph.until(lambda: cameras.status.message == "ok")


def test_a_checkpoint_that_does_not_fit(graph):
    node = graph.add(PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint="broken", autostart=False)))
    cameras = Cameras(graph)
    assert node.trigger_configure().name == "FAILURE"
    graph.until(lambda: "checkpoint broken" in cameras.status.message)
    assert "key 'blocks.0.weight' has shape (3, 4)" in cameras.status.message
    graph.until(lambda: cameras.value("state") == "unconfigured")


def test_nothing_is_published_unless_active(graph, cameras, planner):
    cameras.plan_for(0)
    assert planner.trigger_deactivate().name == "SUCCESS"
    cameras.plans.clear()
    for step in range(4, 20, 4):
        cameras.show(step * PERIOD)
        graph.turn(0.05)
    assert not cameras.plans
    assert planner.trigger_cleanup().name == "SUCCESS"
    assert planner._planner is None
    assert planner.trigger_configure().name == "SUCCESS"
    assert planner.trigger_activate().name == "SUCCESS"
    cameras.plan_for(20 * PERIOD)


def test_images_that_come_sooner_than_plans_are_wanted(graph, cameras, planner):
    cameras.plan_for(0)
    cameras.show(PERIOD)
    graph.turn(0.05)
    cameras.plan_for(2 * PERIOD)
    assert set(cameras.stamps()) == {0, 2 * PERIOD}
    cameras.plan_for(3 * PERIOD)  # shown again: a policy that started late has no other plan


def test_a_plan_takes_at_least_the_latency_that_is_asked_for(graph):
    options = graph.options(checkpoint="stub", autostart=False, latency_ms=300.0)
    graph.start(PlannerNode(graph_stubs.load_planner, **options))
    cameras = Cameras(graph)
    cameras.instruct("wander")
    graph.until(lambda: cameras.in_use == ["wander"])
    began = time.monotonic()
    cameras.plan_for(PERIOD)
    assert time.monotonic() - began >= 0.3
