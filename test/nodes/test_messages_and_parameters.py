"""Messages to arrays and back, and parameters that refuse with a reason."""

import graph_stubs
import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import String

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import MotionPlan, PlanSpec
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.wire import messages as convert

pytestmark = pytest.mark.ros

ROBOT = load_robot()


def test_embedding_round_trip_is_bit_equal():
    z = np.random.default_rng(0).standard_normal((1, 2, 4, 4, 16)).astype(np.float32)
    plan = MotionPlan(1_050_000_000, Sentence("go"), PlanSpec("latents", (2, 4, 4, 16), 16, 50_000_000), z)
    message = convert.embedding_message(plan, "agentview")
    assert (message.encoding, message.height, message.width, message.step) == ("32FC16", 8, 4, 4 * 16 * 4)
    again = convert.read_plan(message, convert.plan_info(plan, "stub"))
    assert (again.stamp_ns, again.goal, again.spec) == (plan.stamp_ns, plan.goal, plan.spec)
    np.testing.assert_array_equal(again.embeddings, z)
    with pytest.raises(ValueError, match="the plan's info can't be read"):
        convert.read_plan(message, String(data="{}"))


def test_images_of_any_size_in_the_encodings_that_cameras_give():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    message = convert.image_message(image, 0, "agentview")
    np.testing.assert_array_equal(convert.read_image(message), image)
    message.encoding = "bgr8"
    np.testing.assert_array_equal(convert.read_image(message), image[..., ::-1])
    cv2 = pytest.importorskip("cv2")
    _, png = cv2.imencode(".png", image[..., ::-1])
    np.testing.assert_array_equal(convert.read_image(CompressedImage(format="png", data=png.tobytes())), image)
    with pytest.raises(ValueError, match="format 'jpeg' with 3 bytes is broken"):
        convert.read_image(CompressedImage(format="jpeg", data=b"abc"))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("encoding", "rgb8", "expected '32FC<channels>'"),
        ("encoding", "32FC3", "holds 1024 bytes, expected 768"),
        ("height", 7, "expected a multiple of 2"),
        ("is_bigendian", 1, "big-endian"),
    ],
)
def test_embeddings_that_do_not_fit(field, value, reason):
    spec = PlanSpec("latents", (2, 4, 8, 4), 16, 50_000_000)
    plan = MotionPlan(0, Sentence("go"), spec, np.zeros((1, 2, 4, 8, 4), np.float32))
    message = convert.embedding_message(plan, "agentview")
    setattr(message, field, value)
    with pytest.raises(ValueError, match=reason):
        convert.read_embedding(message, views=2)


def test_joints_are_found_by_name():
    message = convert.joint_state_message(np.arange(9) / 10, 0, ROBOT)
    order = np.random.default_rng(0).permutation(9)
    message.name = [*(message.name[i] for i in order), "mobile_base"]
    message.position = [*(message.position[i] for i in order), 99.0]
    np.testing.assert_array_equal(
        convert.read_proprio(message, ROBOT.proprio_names), np.arange(9, dtype=np.float32) / np.float32(10)
    )
    del message.name[0], message.position[0]
    with pytest.raises(ValueError, match=r"joints panda_\w+ are missing"):
        convert.read_proprio(message, ROBOT.proprio_names)
    message.name.append("another")
    with pytest.raises(ValueError, match="10 joint names with 9 positions"):
        convert.read_proprio(message, ROBOT.proprio_names)


def test_command_round_trip_is_bit_equal():
    numbers = np.random.default_rng(0).standard_normal(7)
    goal = np.append(numbers[:3], numbers[3:] / np.linalg.norm(numbers[3:]))
    pose, gripper = convert.command_messages(Command(goal, 0.03), 150_000_000, ROBOT)
    assert pose.header.stamp == gripper.header.stamp
    np.testing.assert_array_equal(convert.read_pose(pose, ROBOT), goal)
    pose.header.frame_id = "world"
    with pytest.raises(ValueError, match="frame is 'world', expected the robot's base 'panda_link0'"):
        convert.read_pose(pose, ROBOT)
    assert convert.read_gripper(gripper, ROBOT) == 0.03
    gripper.joint_names = ["elbow"]
    with pytest.raises(ValueError, match="the one joint 'gripper_opening'"):
        convert.read_gripper(gripper, ROBOT)


def test_parameters_refuse_with_a_reason(graph):
    options = graph.options(checkpoint="stub", autostart=False)
    policy = graph.add(PolicyNode(graph_stubs.load_policy, **options))

    def refusal(name, value):
        (result,) = policy.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        return result.reason

    assert refusal("mode", "hasty") == "parameter 'mode' is 'hasty'; choose one of lockstep, realtime"
    assert refusal("replan_every", 0)
    assert refusal("plan_timeout", 100.0)
    assert "read-only" in refusal("checkpoint", "other")
    assert policy.settings.mode == "realtime"
    assert policy.set_parameters([Parameter("mode", value="lockstep")])[0].successful
    assert policy.set_parameters([Parameter("replan_every", value=8)])[0].successful
    assert (policy.settings.mode, policy._chunks.horizon.replan_every) == ("lockstep", 8)
    descriptor = policy.describe_parameter("plan_timeout")
    assert "arm stops" in descriptor.description
    assert descriptor.floating_point_range[0].to_value == 10.0


def test_a_bad_start_value_is_refused(graph):
    with pytest.raises(ValueError, match="choose one of lockstep, realtime"):
        PolicyNode(graph_stubs.load_policy, **graph.options(mode="hasty", autostart=False))


@pytest.mark.parametrize("checkpoint", ["stub", "broken"])
def test_lifecycle_services(graph, checkpoint):
    """Without autostart the node is an ordinary lifecycle node for whoever manages it."""
    graph.add(PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint=checkpoint, autostart=False)))
    manager = graph.add(Node("manager", **graph.options()))
    change = manager.create_client(ChangeState, "planner/change_state")
    look = manager.create_client(GetState, "planner/get_state")
    graph.until(lambda: change.service_is_ready() and look.service_is_ready())

    def ask(client, request):
        answer = client.call_async(request)
        graph.until(answer.done)
        return answer.result()

    def transition(identity):
        return ask(change, ChangeState.Request(transition=Transition(id=identity))).success

    assert transition(Transition.TRANSITION_CONFIGURE) == (checkpoint == "stub")
    if checkpoint == "stub":
        assert transition(Transition.TRANSITION_ACTIVATE)
    state = ask(look, GetState.Request()).current_state.label
    assert state == ("active" if checkpoint == "stub" else "unconfigured")
