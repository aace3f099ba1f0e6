"""What keeps the planner from planning is a state with a name and a remedy, never "ok"; over the wire."""

import re
import time

import graph_stubs
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from test_planner_inputs import BLACK, PERIOD, ROBOT, Cameras

from zipmo_ros.contract.goal import Pokes, Sentence
from zipmo_ros.nodes import cameras as cameras_module
from zipmo_ros.nodes import planner_node
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics
from zipmo_ros.nodes.wire.tracks import read_tracks

pytestmark = pytest.mark.ros

LEFT, RIGHT = ROBOT.views


@pytest.fixture
def start(graph, monkeypatch):
    """(parameters) -> (planner, cameras), the sentence in use; what is silent is so soon."""
    monkeypatch.setattr(cameras_module, "TIMEOUT", 0.5)

    def make(load=graph_stubs.load_planner, instruction="wander", **parameters):
        options = {"checkpoint": "stub", "autostart": False, **parameters}
        planner = graph.start(PlannerNode(load, **graph.options(**options)))
        made = Cameras(graph)
        if instruction:
            made.instruct(instruction)
            graph.until(lambda: made.in_use == [instruction])
        return planner, made

    return make


def state(graph, cameras, name, show=lambda: None, level=DiagnosticStatus.ERROR):
    """The message of /diagnostics once the planner is in that state, while `show` goes on."""

    def there():
        show()
        return name in (cameras.value("states") or "").split(", ") and cameras.status.level == level

    graph.until(there, what=f"for {name}: {cameras.status}")
    return cameras.status.message


def test_nothing_arrives(graph, start):
    _, cameras = start()
    text = state(graph, cameras, "no_images", level=DiagnosticStatus.WARN)
    assert f"nothing heard on /{LEFT}/image_raw" in text
    assert "which cameras publishes" in text
    assert "start the cameras, or remap" in text
    for view in ROBOT.views:
        cameras.node.destroy_publisher(cameras.images[view])
    graph.until(lambda: "which no node publishes" in cameras.status.message)
    cameras.node.create_publisher(Image, topics.image_topic(LEFT, "compressed"), topics.SENSOR)
    graph.until(lambda: "image_transport is raw, not compressed" in cameras.status.message)
    assert not cameras.plans


def test_everything_is_refused(graph, start):
    _, cameras = start()
    grey = convert.image_message(BLACK, 0, LEFT)
    grey.encoding = "mono8"

    def show():
        for view in ROBOT.views:
            cameras.images[view].publish(grey)
        graph.turn(0.05)

    text = state(graph, cameras, "images_refused", show)
    assert f"{LEFT}/image_raw: encoding is 'mono8', expected one of rgb8" in text
    assert not cameras.plans
    cameras.plan_for(4 * PERIOD)
    graph.until(lambda: cameras.show(4 * PERIOD) or "images_refused" not in cameras.value("states"))


def test_cameras_a_nanosecond_apart_are_planned_for_and_the_skew_is_said(graph, start):
    _, cameras = start()

    def show():
        cameras.show(PERIOD, [LEFT])
        cameras.show(PERIOD + 1, [RIGHT])
        graph.turn(0.05)
        return PERIOD in cameras.stamps()

    graph.until(show)
    graph.until(lambda: cameras.value("camera_skew_ms") == "0.00")


def test_cameras_with_rates_and_phases_of_their_own(graph, start):
    _, cameras = start()
    third = PERIOD // 3
    for step in range(12):
        cameras.show(step * third, [LEFT])
        if step % 3 == 0:
            cameras.show(step * third + third // 4, [RIGHT])
        graph.turn(0.05)
    graph.until(lambda: len(cameras.plans) >= 2)
    assert set(cameras.stamps()) <= {3 * step * third for step in range(4)}
    graph.until(lambda: cameras.value("camera_skew_ms") == f"{third // 4 / 1e6:.2f}")


def test_cameras_that_are_apart(graph, start):
    _, cameras = start()
    stamp = 0

    def show():
        nonlocal stamp
        stamp += PERIOD
        cameras.show(stamp, [LEFT])
        cameras.show(stamp + 1000 * PERIOD, [RIGHT])
        graph.turn(0.05)

    text = state(graph, cameras, "cameras_apart", show)
    assert f"the nearest images of {LEFT} and {RIGHT} are " in text
    assert "(at most 0.025 s)" in text
    assert "raise `camera_skew`" in text
    assert not cameras.plans


def test_how_far_cameras_may_be_apart_is_a_parameter(graph, start):
    _, cameras = start(camera_skew=0.2)
    cameras.show(0, [LEFT])
    graph.until(lambda: cameras.show(3 * PERIOD, [RIGHT]) or cameras.show(0, [LEFT]) or cameras.plans)
    assert set(cameras.stamps()) == {0}


@pytest.mark.parametrize("says_nothing", [False, True])
def test_a_frozen_picture_is_not_planned_for(graph, start, says_nothing):
    """Stamps go on and the joints move (or nobody says how they are), but the picture stays."""
    _, cameras = start()
    if says_nothing:
        cameras.joints.publish = lambda message: None
    stamp = 0

    def show(image=BLACK):
        nonlocal stamp
        stamp += 4 * PERIOD
        cameras.posture = cameras.posture + 0.05
        cameras.show(stamp, image=image)
        graph.turn(0.05)

    text = state(graph, cameras, "picture_frozen", show)
    assert "image_raw shows the same for" in text
    graph.turn(0.3)
    cameras.plans.clear()
    for _ in range(5):
        show()
    assert not cameras.plans
    pictures = iter(range(10**6))

    def alive():
        show(np.full_like(BLACK, next(pictures) % 200))
        return cameras.plans and cameras.status.message == "ok"

    graph.until(alive, what=str(cameras.status))


def test_stamps_that_stand_while_messages_come(graph, start):
    planner, cameras = start()
    cameras.plan_for(PERIOD)
    text = state(graph, cameras, "stamps_stand", lambda: cameras.show(PERIOD), DiagnosticStatus.WARN)
    assert f"{LEFT}/image_raw has kept one stamp" in text
    assert planner.values()["rate_hz"] <= 1.0  # it answers the same again, and plans nothing anew


def test_a_camera_whose_clock_is_ahead(graph, start):
    _, cameras = start()

    def show():
        now = time.time_ns()
        cameras.show(now, [LEFT])
        cameras.show(now + 5_000_000_000, [RIGHT])  # too far for a busy machine to hear it only once its time has come
        graph.turn(0.05)

    text = state(graph, cameras, "clock_ahead", show)
    assert re.search(rf"the clock of {RIGHT}/image_raw is (4\.\d|5\.0)", text)
    assert "s ahead of this machine's ROS time; synchronise the clocks" in text
    assert 4000 < float(cameras.value(f"clock_offset_ms_{RIGHT}")) <= 5000
    assert abs(float(cameras.value(f"clock_offset_ms_{LEFT}"))) < 100
    assert not cameras.plans


def test_camera_info_that_differs(graph, start):
    _, cameras = start()
    info = cameras.node.create_publisher(CameraInfo, topics.camera_info_topic(LEFT), QoSProfile(depth=1))
    graph.until(info.get_subscription_count)
    cameras.plan_for(0)

    def show():
        info.publish(CameraInfo(height=480, width=640))
        cameras.show(0)

    text = state(graph, cameras, "camera_info_differs", show, DiagnosticStatus.WARN)
    assert f"the camera_info of {LEFT}/image_raw is of 480 x 640 pixels" in text


def test_no_instruction(graph, start):
    _, cameras = start(instruction=None)
    text = state(graph, cameras, "no_instruction", lambda: cameras.show(0), DiagnosticStatus.WARN)
    assert "images come, but no instruction has been given; give one with `zipmo say`" in text


class SlowPlanner(graph_stubs.StubPlanner):
    """Keeps what it is told, and plans when the test lets it."""

    def __init__(self):
        super().__init__()
        self.told, self.gate = [], None

    def reset(self):
        self.told.append("reset")

    def observe(self, observation):
        self.told.append(("observe", observation.step))

    def plan(self, observation, goal, seed, samples=1):
        self.told.append(("plan", observation.step))
        if self.gate is not None:
            assert self.gate.wait(30)
        return super().plan(observation, goal, seed, samples)


def test_a_request_that_is_replaced_leaves_its_reset_and_what_was_seen(graph, start):
    import threading

    stub = SlowPlanner()
    planner, cameras = start(lambda _: (stub, "hash"))

    def handled(stamp_ns):
        graph.until(lambda: cameras.show(stamp_ns) or planner._newest_ns == stamp_ns)

    cameras.plan_for(0)
    stub.told.clear()
    stub.gate = threading.Event()
    handled(2 * PERIOD)  # being planned for until the gate opens
    graph.until(lambda: stub.told == [("plan", 2)])
    late = 10**12
    handled(late)  # another episode: its reset waits
    handled(late + PERIOD)  # no plan is due
    handled(late + 2 * PERIOD)  # replaces the first request of the episode
    stub.gate.set()
    graph.until(lambda: ("plan", 2) in stub.told[1:])
    assert stub.told == [("plan", 2), "reset", ("observe", 1), ("plan", 2)]
    assert planner.values()["drops"] == 1


def test_late_plans_are_counted_and_warned_of_where_a_budget_is_asked_for(graph, start):
    class Late(graph_stubs.StubPlanner):
        def plan(self, *given, **more):
            time.sleep(0.15)
            return super().plan(*given, **more)

    planner, cameras = start(lambda _: (Late(), "hash"))
    cameras.plan_for(0)
    graph.until(lambda: cameras.value("deadline_misses") == "1")  # of two control periods
    assert "planning_late" not in cameras.value("states")
    from rclpy.parameter import Parameter

    planner.set_parameters([Parameter("plan_budget", value=0.12)])
    cameras.plan_for(4 * PERIOD)
    text = state(graph, cameras, "planning_late", lambda: cameras.show(4 * PERIOD), DiagnosticStatus.WARN)
    assert "s after their images (plan_budget: 0.12 s); plan faster" in text
    assert cameras.value("deadline_misses") == "2"


def test_planned_tracks_are_data_for_who_looks(graph, start):
    planner, cameras = start(overlay_points=3)
    shown = []
    show, planner._planner.show = planner._planner.show, lambda *given: shown.append(given) or show(*given)
    cameras.plan_for(0)
    assert not shown
    heard = []
    cameras.node.create_subscription(PointCloud2, topics.TRACKS, heard.append, 10)
    graph.until(planner._tracks.get_subscription_count)
    cameras.plan_for(4 * PERIOD)
    graph.until(lambda: heard)
    cloud = heard[0]
    assert convert.to_ns(cloud.header.stamp) == 4 * PERIOD
    assert (cloud.height, cloud.width) == (len(ROBOT.views) * 9, 16)
    tracks = read_tracks(cloud)
    grid = np.linspace(-2 / 3, 2 / 3, 3, dtype=np.float32)
    starts = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(tracks[1, :, 0], starts, atol=1e-6)
    np.testing.assert_allclose(tracks[..., -1, :] - tracks[..., 0, :], 0.3, atol=1e-6)


class PokePlanner(graph_stubs.StubPlanner):
    def plan(self, observation, goal, seed, samples=1):
        if not isinstance(goal, Pokes):
            raise ValueError(f"this planner is conditioned by pokes, got {goal}")
        self.warm = True
        return super().plan(observation, Sentence("as the pokes say"), seed, samples)


class NoPlanner(graph_stubs.StubPlanner):
    def plan(self, observation, goal, seed, samples=1):
        raise ValueError("only on Sundays")


def test_a_planner_is_warmed_up_with_a_goal_that_it_follows(graph):
    poked = PokePlanner()
    graph.start(PlannerNode(lambda _: (poked, "hash"), **graph.options(checkpoint="stub", autostart=False)))
    assert poked.warm


def test_a_planner_that_follows_neither_is_loaded_all_the_same(graph):
    node = PlannerNode(lambda _: (NoPlanner(), "hash"), **graph.options(checkpoint="stub", autostart=False))
    assert graph.start(node).active
    assert len(planner_node.WARM_UP) == 2


def test_plans_that_are_over_before_the_next_one_are_refused(graph):
    options = graph.options(checkpoint="stub", autostart=False, replan_every=17)
    node = graph.add(PlannerNode(graph_stubs.load_planner, **options))
    assert node.trigger_configure().name == "FAILURE"
    assert "replan_every is 17 steps, and its plans span 16" in node.report.last_error
