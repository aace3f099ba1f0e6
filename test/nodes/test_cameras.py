"""A real camera's images: what the planner sees of 640 x 480 pixels, raw or compressed, and of a crop of them."""

import array
import contextlib

import graph_stubs
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.share import share_path
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.wire import messages, topics

cv2 = pytest.importorskip("cv2", reason="images of another size than the models' need OpenCV")
pytestmark = pytest.mark.ros

VIEWS = graph_stubs.ROBOT.views
PERIOD = graph_stubs.ROBOT.period_ns
HEIGHT, WIDTH = 480, 640
GO = Sentence("wander")
BLUE = dict(zip(VIEWS, (40, 200), strict=True))  # tells the views apart, and red from blue
FLIPS = {"upright": (1, 1), "vflip": (-1, 1), "rot180": (-1, -1)}
# Grey levels that resizing, and for JPEG the loss, may change.
TOLERANCE = {"raw": 2, "compressed": 6}


def colours(rows, columns, blue):
    """RGB [R, C, 3] of places in the upright image: red runs down, green to the right."""
    red, green = np.meshgrid(255 * rows / HEIGHT, 255 * columns / WIDTH, indexing="ij")
    return np.stack([red, green, np.full_like(red, blue)], axis=-1)


def delivered(view, orientation):
    """The image as the camera gives it, uint8 RGB."""
    down, right = FLIPS[orientation]
    upright = colours(np.arange(HEIGHT) + 0.5, np.arange(WIDTH) + 0.5, BLUE[view])
    return np.ascontiguousarray(upright.round().astype(np.uint8)[::down, ::right])


def expected(view, crop):
    """What the models are to see: the crop, upright, of their size."""
    top, left, height, width = crop or (0, 0, HEIGHT, WIDTH)
    along = (np.arange(IMAGE_SIZE) + 0.5) / IMAGE_SIZE
    return colours(top + height * along, left + width * along, BLUE[view])


def image_message(transport, rgb, stamp_ns):
    bgr = np.ascontiguousarray(rgb[..., ::-1])
    if transport == "raw":
        message = messages.image_message(bgr, stamp_ns, "camera")
        message.encoding = "bgr8"
        return message
    message = CompressedImage(format="jpeg")
    message.header.stamp = messages.to_stamp(stamp_ns)
    message.data = array.array("B", cv2.imencode(".jpg", bgr)[1].tobytes())
    return message


def robot_file(path, orientation, crop):
    """panda, with cameras of this kind."""
    plain = yaml.safe_load(share_path("config/robots/panda.yaml").read_text())
    for camera in plain["cameras"].values():
        camera |= {"size": [HEIGHT, WIDTH], "orientation": orientation, "crop": crop and list(crop)}
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
    return path


class Recording(graph_stubs.StubPlanner):
    """Keeps the images that it plans for."""

    def plan(self, observation, goal, seed, samples=1):
        self.seen = observation
        return super().plan(observation, goal, seed, samples)


class Bench:
    """Two cameras in front of a planner whose robot comes from a file."""

    def __init__(self, graph, transport, robot):
        self.graph, self.stub, self.plans, self.stamp_ns = graph, Recording(), [], 0
        self.node = graph.add(Node("cameras", **graph.options()))
        kind = Image if transport == "raw" else CompressedImage
        self.images = {
            view: self.node.create_publisher(kind, topics.image_topic(view, transport), topics.SENSOR) for view in VIEWS
        }
        self.joints = self.node.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self.instruction = self.node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self.instruction.publish(String(data=GO.text))
        self.node.create_subscription(Image, topics.MOTION_EMBEDDING, self.plans.append, 10)
        parameters = {"checkpoint": "stub", "robot": str(robot), "image_transport": transport, "autostart": False}
        self.planner = graph.start(PlannerNode(lambda _: (self.stub, "stub-hash"), **graph.options(**parameters)))
        graph.until(lambda: self.planner.values()["instruction"] == GO.text)
        graph.until(lambda: all(p.get_subscription_count() for p in (self.joints, *self.images.values())))
        graph.until(lambda: self.node.count_publishers(topics.MOTION_EMBEDDING))

    def show(self, transport, pictures, until):
        """Send these images of one moment after another, at a camera's pace, until `until()`."""
        for _ in range(100):
            self.stamp_ns += 4 * PERIOD
            posture = np.zeros(len(graph_stubs.ROBOT.proprio_names))  # the arm stands still, and so may its picture
            self.joints.publish(messages.joint_state_message(posture, self.stamp_ns, graph_stubs.ROBOT))
            for view, picture in pictures.items():
                self.images[view].publish(image_message(transport, picture, self.stamp_ns))
            self.graph.turn(0.1)
            if until():
                return
        raise AssertionError(f"shown in vain; the planner says {self.planner.report.last_error}")

    def close(self):
        self.graph.remove(self.planner)
        self.graph.remove(self.node)


@contextlib.contextmanager
def bench(graph, transport, robot):
    made = Bench(graph, transport, robot)
    try:
        yield made
    finally:
        made.close()


@st.composite
def crops(draw):
    height, width = draw(st.integers(64, HEIGHT)), draw(st.integers(64, WIDTH))
    return draw(st.integers(0, HEIGHT - height)), draw(st.integers(0, WIDTH - width)), height, width


@pytest.mark.parametrize("transport", topics.TRANSPORTS)
@given(orientation=st.sampled_from(list(FLIPS)), crop=st.none() | crops())
@settings(
    max_examples=25,
    phases=(Phase.explicit, Phase.generate),  # each example starts a node: a failure is quicker read than shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_planner_sees_the_crop_upright_and_of_its_own_size(graph, tmp_path_factory, transport, orientation, crop):
    robot = robot_file(tmp_path_factory.mktemp("robot") / "mine.yaml", orientation, crop)
    pictures = {view: delivered(view, orientation) for view in VIEWS}
    with bench(graph, transport, robot) as at:
        at.show(transport, pictures, until=lambda: at.plans)
        plan = at.plans[0]
        # Later pairs may have come before the plan was heard; they show the same.
        assert messages.to_ns(plan.header.stamp) % (4 * PERIOD) == 0
        seen = at.stub.seen
        assert seen.images.keys() == set(VIEWS)
        for view, image in seen.images.items():
            assert image.dtype == np.uint8
            assert image.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
            assert np.abs(image - expected(view, crop)).max() <= TOLERANCE[transport]
        of_it = Observation(messages.to_ns(plan.header.stamp), 0, seen.images)
        planned = graph_stubs.StubPlanner().plan(of_it, GO, seed=0).embedding
        np.testing.assert_array_equal(messages.read_embedding(plan, views=len(VIEWS)), planned)


@pytest.mark.parametrize("transport", topics.TRANSPORTS)
def test_an_image_of_another_size_is_named_and_the_right_one_is_planned_for(graph, tmp_path, transport):
    pictures = {view: delivered(view, "upright") for view in VIEWS}
    halves = np.ascontiguousarray(pictures["agentview"][::2, ::2])
    with bench(graph, transport, robot_file(tmp_path / "mine.yaml", "upright", None)) as at:
        reason = f"{topics.image_topic('agentview', transport)}: image is 240 x 320, expected 480 x 640"
        at.show(transport, {"agentview": halves}, until=lambda: reason in (at.planner.report.last_error or ""))
        assert not at.plans
        at.show(transport, pictures, until=lambda: at.plans)


def test_a_jpeg_that_is_broken_is_named(graph, tmp_path):
    broken = CompressedImage(format="jpeg", data=array.array("B", b"no picture"))
    with bench(graph, "compressed", robot_file(tmp_path / "mine.yaml", "upright", None)) as at:
        reason = "agentview/image_raw/compressed: a compressed image of format 'jpeg' with 10 bytes is broken"
        graph.until(lambda: at.images["agentview"].publish(broken) or reason in (at.planner.report.last_error or ""))
