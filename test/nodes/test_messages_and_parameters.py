"""Messages to arrays and back, and parameters that refuse with a reason."""

import graph_stubs
import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.node import Node
from rclpy.parameter import Parameter

from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.runtime.commands import Command

pytestmark = pytest.mark.ros


def test_embedding_round_trip_is_bit_equal():
    z = np.random.default_rng(0).standard_normal((2, 4, 4, 16)).astype(np.float32)
    message = convert.embedding_message(z, 1_050_000_000, "agentview")
    assert (message.encoding, message.height, message.width, message.step) == ("32FC16", 8, 4, 4 * 16 * 4)
    assert convert.to_ns(message.header.stamp) == 1_050_000_000
    np.testing.assert_array_equal(convert.read_embedding(message, views=2), z)


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
    message = convert.embedding_message(np.zeros((2, 4, 8, 4), np.float32), 0, "agentview")
    setattr(message, field, value)
    with pytest.raises(ValueError, match=reason):
        convert.read_embedding(message, views=2)


def test_joints_are_found_by_name():
    message = convert.joint_state_message(np.arange(9) / 10, 0)
    order = np.random.default_rng(0).permutation(9)
    message.name = [*(message.name[i] for i in order), "mobile_base"]
    message.position = [*(message.position[i] for i in order), 99.0]
    np.testing.assert_array_equal(convert.read_proprio(message), np.arange(9, dtype=np.float32) / np.float32(10))
    del message.name[0], message.position[0]
    with pytest.raises(ValueError, match=r"joints panda_\w+ are missing"):
        convert.read_proprio(message)
    message.name.append("another")
    with pytest.raises(ValueError, match="10 joint names with 9 positions"):
        convert.read_proprio(message)


def test_command_round_trip_is_bit_equal():
    linear, angular = np.random.default_rng(0).standard_normal((2, 3))
    twist, gripper = convert.command_messages(Command(linear, angular, 0.03), 150_000_000)
    assert twist.header.stamp == gripper.header.stamp
    again = convert.read_twist(twist)
    np.testing.assert_array_equal(again[0], linear)
    np.testing.assert_array_equal(again[1], angular)
    assert convert.read_gripper(gripper) == 0.03
    gripper.joint_names = ["elbow"]
    with pytest.raises(ValueError, match="the one joint 'gripper_opening'"):
        convert.read_gripper(gripper)


def test_parameters_refuse_with_a_reason(graph):
    options = graph.options(checkpoint="stub", autostart=False)
    policy = graph.add(PolicyNode(graph_stubs.load_policy, **options))

    def refusal(name, value):
        (result,) = policy.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        return result.reason

    assert refusal("mode", "hasty") == "parameter 'mode' is 'hasty'; choose one of lockstep, realtime"
    assert refusal("replan_every", 17)
    assert refusal("plan_timeout", 100.0)
    assert "read-only" in refusal("checkpoint", "other")
    assert policy.settings.mode == "lockstep"
    assert policy.set_parameters([Parameter("mode", value="realtime")])[0].successful
    assert policy.set_parameters([Parameter("replan_every", value=8)])[0].successful
    assert (policy.settings.mode, policy._horizon.replan_every) == ("realtime", 8)
    descriptor = policy.describe_parameter("plan_timeout")
    assert "arm stops" in descriptor.description
    assert descriptor.floating_point_range[0].to_value == 10.0


def test_a_bad_start_value_is_refused(graph):
    with pytest.raises(ValueError, match="choose one of lockstep, realtime"):
        PolicyNode(graph_stubs.load_policy, **graph.options(mode="hasty", autostart=False))


@pytest.mark.parametrize("checkpoint", ["stub", "broken"])
def test_lifecycle_services(graph, checkpoint):
    """Without autostart the node is an ordinary lifecycle node for whoever manages it."""
    graph.add(PlannerNode(graph_stubs.load_generator, **graph.options(checkpoint=checkpoint, autostart=False)))
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
