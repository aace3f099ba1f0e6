"""A sentence that is not understood: told, and the arm held without a stop until one is; over the wire."""

import json
import time

import graph_stubs
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fed_by_hand import PUSH, PolicyAlone
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import String
from test_instruct import Bench as RunBench
from test_lockstep import Bench, direct_actions
from test_planner_states import start, state  # noqa: F401

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import MotionPlan, Verdict
from zipmo_ros.contract.reading import read_plan
from zipmo_ros.nodes.verdicts import Verdicts
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.horizons import make_horizon
from zipmo_sim.simulator import Simulator

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT
REFUSED = Verdict(0.125, 0, True)


def refusing_actions(sentence, init_state):
    """Of the loop without ROS, which refuses."""
    horizon = make_horizon("ensemble", "intended", 2, ROBOT)
    agent = RecedingHorizonAgent(graph_stubs.DoubtfulPlanner(), graph_stubs.StubPolicy(), horizon, 0, refuse=True)
    simulator = Simulator(graph_stubs.SUITES, {})
    moment = simulator.begin(setup := simulator.describe("stub", "wander", "", init_state, 0, -1, 2))
    agent.reset()
    while not moment.last:
        moment = simulator.step(setup, agent.act(moment.observation, Sentence(sentence)))
    return np.stack(simulator.env.actions)


def test_the_arm_holds_until_a_sentence_is_understood_as_without_ros(graph):
    bench = Bench(graph, planner="doubtful")
    for sentence, init_state, understood in (
        ("fold the towel", 30, False),
        ("wander", 31, True),
        ("fold it", 32, False),
    ):
        bench.instruct(sentence)
        report, actions = bench.run(task="wander", init_state=init_state)
        assert report["step"] == graph_stubs.TASKS[0].max_steps
        np.testing.assert_array_equal(actions, refusing_actions(sentence, init_state))
        assert bool(actions[:, :6].any()) == understood
        assert bench.policy.safety.armed
    assert "'fold it' was not understood" in bench.diagnostics["policy"].message
    assert "not_understood" in [pair.value for pair in bench.diagnostics["planner"].values if pair.key == "states"]


def test_without_refusing_it_is_told_alone(graph):
    bench = Bench(graph, planner="doubtful")
    assert bench.planner.set_parameters([Parameter("refuse_unknown", value=False)])[0].successful
    bench.instruct("fold the towel")
    _, actions = bench.run(task="wander", init_state=30)
    expected = direct_actions(graph_stubs.TASKS[0], 30, "fold the towel", planner=graph_stubs.DoubtfulPlanner())
    np.testing.assert_array_equal(actions, expected)
    graph.until(lambda: "'fold the towel' is not understood (0.12); say it" in bench.diagnostics["planner"].message)


def test_the_state_says_what_to_do_and_passes(graph, start):  # noqa: F811
    planner, cameras = start(instruction="fold the towel", planner="doubtful")
    cameras.plan_for(0)
    text = state(graph, cameras, "not_understood", level=DiagnosticStatus.WARN)
    assert "'fold the towel' is not understood (0.12), so the arm holds; say it in other words" in text
    assert planner.values()["understood"] == 0.125
    cameras.instruct("wander")
    graph.until(lambda: cameras.in_use[-1] == "wander")
    cameras.plan_for(4 * ROBOT.period_ns)
    graph.until(lambda: cameras.status.message == "ok")
    assert planner.values()["understood"] == 0.875


class RefusedByHand(PolicyAlone):
    """Plans with verdicts."""

    def refuse(self, step, sentence="push"):
        embeddings = np.zeros((1, *graph_stubs.LATENT), np.float32)
        plan = MotionPlan(step * ROBOT.period_ns, Sentence(sentence), graph_stubs.SPEC, embeddings, 0.125, REFUSED)
        self.hand.info.publish(convert.plan_info(plan, "hand"))
        self.hand.plan.publish(convert.embedding_message(plan, "agentview"))


def test_refusals_are_plans_and_their_silence_stops_the_arm(graph):
    alone = RefusedByHand(graph)
    for step in range(0, 24, 4):  # 1.2 s of stamps, three times as long as plans may be old
        assert alone.answer(step) == 0
        alone.refuse(step)
        graph.until(lambda at=step: alone.policy._chunks.horizon.stamp_ns == at * ROBOT.period_ns)
    assert alone.policy._chunks.horizon.holds
    assert alone.policy.safety.armed
    assert alone.answer(24) == 0
    alone.send_plan(24)  # understood, which ends the hold
    graph.until(lambda: not alone.policy._chunks.horizon.holds)
    assert alone.answer(25) == PUSH
    assert alone.answer(28) == PUSH
    alone.policy._chunks.watchdog.timeout = 0.4
    alone.refuse(28)
    graph.until(lambda: alone.policy._chunks.horizon.holds)
    assert alone.answer(29) < PUSH  # it slows down
    assert alone.policy.safety.armed
    deadline = time.monotonic() + 5
    while alone.policy.safety.armed and time.monotonic() < deadline:
        alone.send_state(29)
        graph.turn(0.05)
    assert "nothing heard on motion_embedding for 0.4" in alone.policy.report.last_error


def test_a_verdict_survives_the_wire():
    embeddings = np.zeros((1, *graph_stubs.LATENT), np.float32)
    for verdict in (REFUSED, None):
        plan = MotionPlan(7, Sentence("push"), graph_stubs.SPEC, embeddings, verdict and 0.125, verdict)
        info = convert.plan_info(plan, "stub")
        read = read_plan(convert.embedding_message(plan, "agentview"), info)
        assert (read.verdict, read.understood, read.refused) == (verdict, plan.understood, verdict is not None)
        older = json.loads(info.data)
        del older["verdict"]
        assert read_plan(convert.embedding_message(plan, "agentview"), String(data=json.dumps(older))).verdict is None


class Said:
    """What accompanies plans, as a planner would publish it."""

    def __init__(self, graph, node):
        self.graph, self.heard = graph, Verdicts(node)
        self.info = node.create_publisher(String, topics.PLAN_INFO, topics.LATCHED)

    def tell(self, verdict, sentence="push"):
        plan = MotionPlan(0, Sentence(sentence), graph_stubs.SPEC, np.zeros((1, *graph_stubs.LATENT), np.float32))
        before = dict(self.heard._info)
        told = json.loads(convert.plan_info(plan, "stub").data)
        self.info.publish(String(data=json.dumps({**told, "verdict": verdict and vars(verdict)})))
        self.graph.until(lambda: self.heard._info != before)


def test_verdicts_of_before_are_not_those_of_now(graph):
    said = Said(graph, graph.add(Node("asker", **graph.options())))
    said.tell(REFUSED)
    assert said.heard.refusal("push") == "not understood (0.12); the arm holds"
    assert said.heard.refusal("pull") is None
    said.heard.forget()
    assert not said.heard.told("push")
    said.tell(Verdict(0.25, 5, False))
    assert said.heard.refusal("push") == "not understood (0.25)"
    said.tell(None, "pull")
    assert said.heard.told("pull")
    assert said.heard.refusal("pull") is None


def test_an_instruction_that_is_refused_is_over(graph):
    bench = RunBench(graph)
    said = Said(graph, bench.node)
    bench.begin()
    bench.under_way()
    said.tell(REFUSED)
    ending = graph.until(bench.run.ending)
    assert (ending.success, ending.reason) == (False, "not understood (0.12); the arm holds")
    assert bench.policy.stops == 0
