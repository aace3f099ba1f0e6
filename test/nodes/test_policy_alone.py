"""The policy in realtime, fed by hand: plans and joint states that it must not act on, and those that it must."""

import dataclasses
import time

import graph_stubs
import numpy as np
import pytest
from fed_by_hand import PUSH, Hand, PolicyAlone, Z
from rclpy.parameter import Parameter
from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.nodes.wire import topics

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT


def test_stamps_that_stand_still_are_silence(graph):
    """Joint states keep coming, and say nothing new."""
    alone = PolicyAlone(graph)
    alone.run_to(3)
    assert alone.answer(3) > 0.01
    deadline = time.monotonic() + 5
    while alone.policy.safety.armed and time.monotonic() < deadline:
        alone.send_state(3)
        graph.turn(0.02)
    assert "nothing new on joint_states, whose stamp stands still" in alone.policy.report.last_error


def test_nan_in_an_embedding_is_dropped_and_the_arm_stops_if_nothing_follows(graph):
    alone = PolicyAlone(graph)
    assert alone.answer(0) == 0  # no plan yet
    assert alone.policy.report.last_error is None
    alone.send_plan(0)
    graph.until(lambda: alone.policy._chunks.horizon.stamp_ns == 0)
    assert alone.answer(1) == PUSH
    bad = Z.copy()
    bad[1, 0, 1, 2] = np.nan
    alone.send_plan(4, bad)
    graph.until(lambda: "1 numbers that are not finite" in (alone.policy.report.last_error or ""))
    assert alone.policy._chunks.horizon.stamp_ns == 0
    assert alone.answer(8) == PUSH  # 0.4 s: still covered
    assert alone.answer(9) == 0
    assert "the newest plan is 0.45 s old (limit 0.40 s)" in alone.policy.report.last_error
    alone.send_plan(8)
    graph.until(lambda: alone.policy._chunks.horizon.stamp_ns == 8 * ROBOT.period_ns)
    assert alone.answer(10) == 0  # latched
    alone.policy.safety.arm()
    assert alone.answer(11) == PUSH  # late by three steps, and used


def test_a_stop_is_told_once_and_again_after_it_was_armed(graph):
    alone = PolicyAlone(graph)
    told = []
    alone.hand.node.create_subscription(String, topics.STOP, lambda message: told.append(message.data), 10)
    alone.run_to(3)
    graph.turn(0.2)
    assert not told
    for number in (1, 2):
        alone.policy.safety.trip("chunk", f"number {number}")
        alone.answer(2 * number + 2)
        alone.answer(2 * number + 3)
        graph.until(lambda number=number: told == [f"number {n + 1}" for n in range(number)])
        alone.policy.safety.over("chunk")
        alone.policy.safety.arm()
        alone.answer(2 * number + 4)


@pytest.mark.identities
def test_second_publisher_of_plans_is_refused(graph):
    alone = PolicyAlone(graph)
    alone.run_to(1)
    second = Hand(graph, "intruder")
    graph.until(second.plan.get_subscription_count)
    alone.send_plan(4, hand=second)
    graph.until(lambda: "2 publishers on /motion_embedding" in (alone.policy.report.last_error or ""))
    assert "/hand" in alone.policy.report.last_error
    assert "/intruder" in alone.policy.report.last_error
    alone.answer(5)
    assert alone.policy._chunks.horizon.stamp_ns == 0


def test_plans_that_say_nothing_new_are_silence(graph):
    """By a steady clock, too: joint states whose stamps hardly advance don't keep an old plan alive."""
    alone = PolicyAlone(graph)
    alone.run_to(1)
    assert alone.answer(1) == PUSH
    for parameter in (Parameter("joint_timeout", value=10.0), Parameter("plan_timeout", value=0.4)):
        assert alone.policy.set_parameters([parameter])[0].successful
    deadline, step = time.monotonic() + 5, 2
    while alone.policy.safety.armed and time.monotonic() < deadline:
        alone.send_plan(0)
        alone.answer(min(step, 7))
        step += 1
    assert "nothing heard on motion_embedding for 0.4" in alone.policy.report.last_error


def test_plans_for_another_horizon_are_refused(graph):
    alone = PolicyAlone(graph)
    alone.answer(0)
    alone.send_plan(0, spec=dataclasses.replace(graph_stubs.SPEC, horizon=8))
    graph.until(lambda: "plans span 8 steps of 50 ms, not 16 steps of 50 ms" in (alone.policy.report.last_error or ""))
    assert alone.answer(1) == 0
    # Two topics: an embedding may overtake the info that changed with it, and is then refused by the old one.
    graph.until(lambda: alone.send_plan(0) or alone.policy._chunks.horizon.stamp_ns == 0)
    assert alone.answer(2) == PUSH
    assert "plan" not in alone.policy.report._problems


def test_a_policy_that_starts_holds_the_gripper_where_it_is(graph):
    """A grasped thing, 5 cm wide, must not fall because the policy was started again."""
    alone = PolicyAlone(graph, fingers=(0.025, -0.025))
    assert alone.answer(0) == 0
    assert alone.openings[-1].points[-1].positions[0] == pytest.approx(0.05)


def test_plans_in_the_wrong_order_within_one_inference(graph):
    alone = PolicyAlone(graph)
    alone.run_to(1)
    assert alone.policy.set_parameters([Parameter("joint_timeout", value=10.0)])[0].successful
    for step in (6, 4):  # both are taken before the worker has begun
        alone.send_plan(step)
        graph.turn(0.2)
    graph.until(lambda: "0.30 s to 0.20 s; the older one is dropped" in (alone.policy.report.last_error or ""))
    assert alone.answer(6) == PUSH
    graph.until(lambda: alone.policy._chunks.horizon.stamp_ns == 6 * ROBOT.period_ns)
    assert alone.answer(7) == PUSH


def test_a_new_sentence_ends_the_chunks_of_the_old_one(graph):
    alone = PolicyAlone(graph)
    alone.hand.instruction.publish(String(data="push"))
    graph.until(lambda: alone.policy._chunks.instruction.sentence == Sentence("push"))
    alone.run_to(3)
    assert alone.answer(3) == PUSH
    alone.hand.instruction.publish(String(data="pull"))
    graph.until(lambda: alone.policy._chunks.instruction.sentence == Sentence("pull"))
    assert alone.answer(4) == 0  # at once
    assert alone.policy.safety.armed  # and no fault
    alone.send_plan(4)  # was under way
    graph.turn(0.3)
    assert alone.answer(5) == 0
    alone.send_plan(5, sentence="pull")
    graph.until(lambda: alone.policy._chunks.horizon.stamp_ns == 5 * ROBOT.period_ns)
    assert alone.answer(6) == PUSH


def test_a_stopped_arm_that_is_elsewhere_after_a_leap_of_time_is_held_there(graph):
    alone = PolicyAlone(graph)
    alone.run_to(40)
    alone.policy.safety.trip("stop request", "asked for")
    assert alone.answer(40) == 0
    alone.measured = np.add(alone.measured, [0.1, 0, 0, 0, 0, 0, 0])  # another episode: the arm was put there
    assert alone.answer(0) == 0
    assert not alone.policy.safety.armed


def test_lockstep_needs_a_source_that_waits(graph):
    alone = PolicyAlone(graph)
    assert alone.policy.set_parameters([Parameter("mode", value="lockstep")])[0].successful
    alone.send_plan(0)
    for step in range(8):
        alone.send_state(step)
        graph.turn(0.05)
    assert not alone.goals
    graph.until(lambda: "a robot needs mode=realtime" in str(alone.policy.report._problems), timeout=10)
