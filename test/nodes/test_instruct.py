"""An instruction carried out by stock topics and services, and by the action where zipmo_interfaces is built."""

import json

import pytest
import rclpy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from zipmo_ros.nodes import instruct_node
from zipmo_ros.nodes.instructed_run import TAKING, InstructedRun
from zipmo_ros.nodes.wire import topics

pytestmark = pytest.mark.ros


class Policy:
    """Follows every instruction but "wait", says so, and can be stopped; its episode is told by the test."""

    def __init__(self, graph, namespace=""):
        self.node = graph.add(rclpy.create_node("policy", context=graph.context, namespace=namespace))
        self.in_use = self.node.create_publisher(String, f"~/{topics.INSTRUCTION_IN_USE}", topics.LATCHED)
        self.episode = self.node.create_publisher(String, topics.EPISODE, topics.LATCHED)
        self.node.create_subscription(String, topics.INSTRUCTION, self.hear, topics.COMMAND)
        self.node.create_service(Trigger, "~/stop", self.stop)
        self.heard, self.stops = [], 0

    def hear(self, message):
        self.heard.append(message.data)
        if message.data != "wait":
            self.in_use.publish(message)

    def stop(self, _, response):
        self.stops += 1
        response.success = True
        return response

    def tell(self, state, step, reason=""):
        self.episode.publish(String(data=json.dumps({"state": state, "step": step, "reason": reason})))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Bench:
    """A policy and a run in one namespace."""

    def __init__(self, graph, namespace=""):
        self.graph, self.clock = graph, Clock()
        self.policy = Policy(graph, namespace)
        self.node = graph.add(rclpy.create_node("asker", context=graph.context, namespace=namespace))
        self.run = InstructedRun(self.node, self.clock)
        graph.until(lambda: "policy" in self.node.get_node_names())
        graph.until(lambda: self.node.count_publishers(f"policy/{topics.INSTRUCTION_IN_USE}"))
        graph.until(lambda: self.policy.episode.get_subscription_count())

    def begin(self, sentence="push", limit=0.0):
        self.run.begin(sentence, limit)
        self.graph.until(lambda: self.policy.heard)

    def under_way(self):
        return self.graph.until(lambda: not self.run.ending() and self.run.progress().state == "under way")


@pytest.fixture
def bench(graph):
    return Bench(graph)


@pytest.mark.parametrize(
    ("state", "reason", "told"), [("success", "", "success"), ("failure", "steps are over", "failure: steps are over")]
)
def test_it_ends_with_its_episode(bench, state, reason, told):
    bench.begin()
    assert bench.run.progress().state == "said"
    bench.under_way()
    bench.policy.tell("running", 20)
    bench.graph.until(lambda: bench.run.progress().step == 20)
    assert bench.run.ending() is None
    bench.policy.tell(state, 33, reason)
    ending = bench.graph.until(bench.run.ending)
    assert (ending.success, ending.reason) == (state == "success", told)
    assert bench.policy.stops == 0


def test_the_end_of_an_episode_before_it_is_not_its_own(bench):
    bench.policy.tell("running", 20)
    bench.policy.tell("success", 30)
    bench.begin()
    bench.under_way()
    bench.policy.tell("success", 30)  # as the topic keeps it for whoever comes late
    bench.graph.turn(0.3)
    assert bench.run.ending() is None


def test_the_arm_is_stopped_when_time_is_over(bench):
    bench.begin(limit=5.0)
    bench.under_way()
    bench.clock.now = 5.1
    ending = bench.run.ending()
    assert not ending.success
    assert ending.reason == "the time limit of 5 s is over; asked to stop: /policy/stop"
    bench.graph.until(lambda: bench.policy.stops == 1)
    bench.graph.until(lambda: not bench.run.asking)


def test_what_nobody_takes_is_given_up(bench):
    bench.begin("wait")
    bench.clock.now = TAKING - 0.1
    bench.graph.turn(0.2)
    assert bench.run.ending() is None
    bench.clock.now = TAKING + 0.1
    assert "not taken within 10 s" in bench.run.ending().reason


def test_what_was_not_heard_is_said_again(bench):
    bench.begin("wait")
    bench.clock.now = 1.1
    assert bench.run.ending() is None
    bench.graph.until(lambda: bench.policy.heard == ["wait", "wait"])


def test_what_was_given_up_is_not_followed_by_who_comes_late(graph, bench):
    bench.begin("wait")
    bench.run.stop("enough")
    late = []
    bench.node.create_subscription(String, topics.INSTRUCTION, late.append, topics.LATCHED)
    graph.turn(0.5)
    assert late == []


def test_only_nodes_of_its_own_namespace_are_stopped(graph):
    other, bench = Policy(graph, "right"), Bench(graph, "left")
    graph.until(lambda: ("policy", "/right") in bench.node.get_node_names_and_namespaces())
    bench.begin()
    assert bench.run.stop("enough").reason == "enough; asked to stop: /left/policy/stop"
    graph.until(lambda: bench.policy.stops == 1)
    assert other.stops == 0
    assert other.heard == []


@pytest.mark.parametrize(("sentence", "limit"), [("", 1.0), ("push", -1.0)])
def test_what_is_no_instruction_is_not_said(bench, sentence, limit):
    with pytest.raises(ValueError):  # noqa: PT011  two reasons
        bench.run.begin(sentence, limit)
    bench.graph.turn(0.2)
    assert bench.policy.heard == []


def test_without_the_interfaces_the_node_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(instruct_node, "ExecuteInstruction", None)
    assert instruct_node.main([]) == 1
    assert "zipmo say --time-limit" in capsys.readouterr().err


BUILT = pytest.mark.skipif(
    instruct_node.ExecuteInstruction is None, reason="zipmo_interfaces is not built: `make test-interfaces`"
)


@pytest.fixture
def action(graph):
    """(policy, send): send(instruction, seconds) -> the accepted goal's handle, or None."""
    from rclpy.action import ActionClient

    policy = Policy(graph)
    server = graph.add(instruct_node.InstructNode(context=graph.context, use_global_arguments=False))
    asker = graph.add(rclpy.create_node("asker", context=graph.context))
    client = ActionClient(asker, instruct_node.ExecuteInstruction, "execute_instruction")
    graph.until(client.server_is_ready)
    graph.until(lambda: server.count_publishers(f"policy/{topics.INSTRUCTION_IN_USE}"))
    feedback = []

    def send(instruction, seconds=0):
        goal = instruct_node.ExecuteInstruction.Goal(instruction=instruction)
        goal.time_limit.sec = seconds
        sent = client.send_goal_async(goal, feedback_callback=lambda told: feedback.append(told.feedback))
        graph.until(sent.done)
        return sent.result() if sent.result().accepted else None

    send.feedback = feedback
    return policy, send


def result(graph, handle):
    answer = handle.get_result_async()
    graph.until(answer.done)
    return answer.result()


@BUILT
def test_the_action_succeeds_with_its_episode(graph, action):
    from action_msgs.msg import GoalStatus

    policy, send = action
    handle = send("push")
    assert send("pull") is None, "another one while it is under way"
    graph.until(lambda: any(told.state == "under way" for told in send.feedback))
    policy.tell("running", 20)
    graph.until(lambda: send.feedback[-1].step == 20)
    policy.tell("success", 30)
    told = result(graph, handle)
    assert (told.status, told.result.success, told.result.reason) == (GoalStatus.STATUS_SUCCEEDED, True, "success")
    assert policy.stops == 0
    assert send("pull") is not None


@BUILT
def test_a_cancelled_action_stops_the_arm(graph, action):
    from action_msgs.msg import GoalStatus

    policy, send = action
    handle = send("push")
    graph.until(lambda: policy.heard)
    cancelled = handle.cancel_goal_async()
    graph.until(cancelled.done)
    told = result(graph, handle)
    assert told.status == GoalStatus.STATUS_CANCELED
    assert "/policy/stop" in told.result.reason
    graph.until(lambda: policy.stops == 1)


@BUILT
def test_an_action_out_of_time_stops_the_arm(graph, action):
    from action_msgs.msg import GoalStatus

    policy, send = action
    told = result(graph, send("push", seconds=1))
    assert (told.status, told.result.success) == (GoalStatus.STATUS_ABORTED, False)
    graph.until(lambda: policy.stops == 1)
