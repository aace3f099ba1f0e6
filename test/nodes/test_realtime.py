"""Realtime: how soon the arm stands still when a part of the loop falls silent, and that it is said why."""

import dataclasses
import re
import time

import graph_stubs
import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.sim_node import SimNode
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics
from zipmo_ros.runtime.commands import Command

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT

WITHIN = 0.5  # s
STALE_PLAN = re.compile(r"arm stopped: (the newest plan is|nothing heard on motion_embedding for) \d")


class Arm:
    """The simulated arm in realtime, and the times at which it moved."""

    def __init__(self, graph, planner=True, policy=True):
        self.graph = graph
        self.moved_at, self.stood_at, self.actions = [], [], []
        common = {"checkpoint": "pushing", "autostart": False}
        self.planner = self.policy = None
        if planner:
            self.planner = graph.start(PlannerNode(graph_stubs.load_planner, **graph.options(**common)))
        if policy:
            options = graph.options(**common, mode="realtime")
            self.policy = graph.start(PolicyNode(graph_stubs.load_policy, **options))
        sim = {"suite": "stub", "task": "endless", "mode": "realtime", "autostart": False}
        self.sim = graph.start(SimNode(self, **graph.options(**sim)))

    task, tasks = staticmethod(graph_stubs.task), staticmethod(graph_stubs.tasks)

    def make_env(self, suite, task, **options):
        env = graph_stubs.make_env(suite, task, **options)
        step = env.step

        def watched(action):
            self.actions.append(np.array(action))
            (self.moved_at if np.any(action[:6]) else self.stood_at).append(time.monotonic())
            return step(action)

        env.step = watched
        return env

    def until_it_runs(self):
        before = len(self.moved_at)
        self.graph.until(lambda: len(self.moved_at) - before > 10, what="for the arm to move")

    def time_to_stop(self, since):
        """Seconds from `since` to the last motion, after the arm has stood for ten steps."""
        self.graph.until(
            lambda: len([t for t in self.stood_at if t > max(since, self.moved_at[-1])]) > 10, what="for a stop"
        )
        return max(0.0, self.moved_at[-1] - since)


def best_of_three(measure):
    """The first time to stop that is in time: on a busy machine any process may be held up for a while."""
    took = []
    while len(took) < 3:
        took.append(measure())
        if took[-1] < WITHIN:
            return took[-1]
    raise AssertionError(f"the arm moved on for {took} s")


def test_planner_gone(graph, record_property):
    arm = Arm(graph, planner=False)

    def measure():
        options = graph.options(checkpoint="pushing", autostart=False)
        arm.planner = graph.start(PlannerNode(graph_stubs.load_planner, **options))
        arm.until_it_runs()
        since = time.monotonic()
        graph.remove(arm.planner)
        return arm.time_to_stop(since)

    record_property("time_to_stop", best_of_three(measure))
    assert STALE_PLAN.search(arm.policy.report.last_error)
    assert arm.actions[-1][6] == arm.actions[0][6] * -1 == 1.0  # it began open, closed, and holds what it holds

    arm.planner = graph.start(
        PlannerNode(graph_stubs.load_planner, **graph.options(checkpoint="pushing", autostart=False))
    )
    arm.until_it_runs()  # and goes on by itself when plans come again; the sentence was announced once, and is latched


def test_policy_gone(graph, record_property):
    arm = Arm(graph, policy=False)

    def measure():
        options = graph.options(checkpoint="pushing", autostart=False, mode="realtime")
        arm.policy = graph.start(PolicyNode(graph_stubs.load_policy, **options))
        arm.until_it_runs()
        since = time.monotonic()
        graph.remove(arm.policy)
        return arm.time_to_stop(since)

    record_property("time_to_stop", best_of_three(measure))
    assert "nothing heard on command/twist" in arm.sim.report.last_error


def test_simulator_gone_and_back(graph):
    arm = Arm(graph)
    arm.until_it_runs()
    graph.remove(arm.sim)
    graph.until(lambda: "nothing heard on joint_states" in (arm.policy.report.last_error or ""))
    sim = {"suite": "stub", "task": "endless", "mode": "realtime", "autostart": False}
    arm.sim = graph.start(SimNode(arm, **graph.options(**sim)))
    arm.until_it_runs()


def test_deactivating_the_policy_stops_the_arm(graph):
    arm = Arm(graph)
    arm.until_it_runs()

    def measure():
        since = time.monotonic()
        arm.policy.trigger_deactivate()
        took = arm.time_to_stop(since)
        arm.policy.trigger_activate()
        arm.until_it_runs()
        return took

    assert best_of_three(measure) < 0.4  # sooner than by silence


class Hand:
    """Publishes plans, joint states or commands as another node would."""

    def __init__(self, graph, name="hand"):
        self.node = graph.add(Node(name, **graph.options()))
        from sensor_msgs.msg import Image, JointState
        from std_msgs.msg import String

        self.plan = self.node.create_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
        self.info = self.node.create_publisher(String, topics.PLAN_INFO, topics.LATCHED)
        self.joints = self.node.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self.twist = self.node.create_publisher(TwistStamped, topics.TWIST, topics.COMMAND)
        self.gripper = self.node.create_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)


def test_commands_that_are_not_finite_do_not_move_it(graph):
    arm = Arm(graph, planner=False, policy=False)
    hand = Hand(graph)
    graph.until(lambda: hand.twist.get_subscription_count() and hand.gripper.get_subscription_count())
    stamp_ns = graph_stubs.TASKS[2].index * 1000 * 1000 * 10**9
    hand_command = Command(np.array([np.nan, 0, 0]), np.zeros(3), ROBOT.gripper_open_m)

    def send():
        messages = convert.command_messages(hand_command, stamp_ns, ROBOT)
        for publisher, message in zip((hand.twist, hand.gripper), messages, strict=True):
            publisher.publish(message)

    graph.until(lambda: send() or "twist is not finite" in (arm.sim.report.last_error or ""))
    assert not arm.moved_at


class PolicyAlone:
    """The policy in realtime, fed by hand: joint states every call, and the twists that it answers."""

    def __init__(self, graph):
        self.graph = graph
        self.policy = graph.start(
            PolicyNode(graph_stubs.load_policy, **graph.options(checkpoint="pushing", autostart=False, mode="realtime"))
        )
        self.policy._plans_watchdog.timeout = 1000.0  # here stamps alone tell the time
        self.hand = Hand(graph)
        self.twists = []
        self.hand.node.create_subscription(TwistStamped, topics.TWIST, self.twists.append, 10)
        graph.until(
            lambda: (
                self.hand.plan.get_subscription_count()
                and self.hand.joints.get_subscription_count()
                and self.hand.node.count_publishers(topics.TWIST) > 1
            )
        )

    def send_plan(self, z, stamp_ns, hand=None, spec=graph_stubs.SPEC):
        plan = MotionPlan(stamp_ns, Sentence("push"), spec, np.zeros((1, *graph_stubs.LATENT), np.float32))
        message = convert.embedding_message(plan, "agentview")
        message.data = z.tobytes()
        (hand or self.hand).info.publish(convert.plan_info(plan, "hand"))
        (hand or self.hand).plan.publish(message)

    def answer(self, step):
        """The linear speed along x that is commanded for step `step`."""
        stamp_ns = step * 50_000_000
        for _ in range(20):  # joint states are best effort
            self.hand.joints.publish(convert.joint_state_message(np.zeros(9), stamp_ns, ROBOT))
            self.graph.turn(0.03)
            answers = [t for t in self.twists if convert.to_ns(t.header.stamp) == stamp_ns]
            if answers:
                return answers[-1].twist.linear.x
        raise AssertionError(f"no command for step {step}")


Z = np.zeros(graph_stubs.LATENT, np.float32)


def test_nan_in_an_embedding_is_dropped_and_the_arm_stops_if_nothing_follows(graph):
    alone = PolicyAlone(graph)
    assert alone.answer(0) == 0  # no plan yet
    assert alone.policy.report.last_error is None
    alone.send_plan(Z, 0)
    graph.until(lambda: alone.policy._horizon.stamp_ns == 0)
    assert alone.answer(1) == 0.5
    bad = Z.copy()
    bad[1, 0, 1, 2] = np.nan
    alone.send_plan(bad, 4 * 50_000_000)
    graph.until(lambda: "1 numbers that are not finite" in (alone.policy.report.last_error or ""))
    assert alone.policy._horizon.stamp_ns == 0
    assert alone.answer(8) == 0.5  # 0.4 s: still covered
    assert alone.answer(9) == 0
    assert "the newest plan is 0.45 s old (limit 0.40 s)" in alone.policy.report.last_error
    alone.send_plan(Z, 8 * 50_000_000)
    graph.until(lambda: alone.policy._horizon.stamp_ns == 8 * 50_000_000)
    assert alone.answer(10) == 0.5  # late by two steps, and used


def test_second_publisher_of_plans_is_refused(graph):
    alone = PolicyAlone(graph)
    alone.answer(0)
    alone.send_plan(Z, 0)
    graph.until(lambda: alone.policy._horizon.stamp_ns == 0)
    second = Hand(graph, "intruder")
    graph.until(second.plan.get_subscription_count)
    alone.send_plan(Z, 4 * 50_000_000, second)
    graph.until(lambda: "2 publishers on /motion_embedding" in (alone.policy.report.last_error or ""))
    assert "/hand" in alone.policy.report.last_error
    assert "/intruder" in alone.policy.report.last_error
    alone.answer(5)
    assert alone.policy._horizon.stamp_ns == 0


def test_silence_counts_by_a_steady_clock_too(graph):
    """Joint states that come with stamps that stand still don't keep an old plan alive."""
    alone = PolicyAlone(graph)
    alone.answer(0)
    alone.send_plan(Z, 0)
    graph.until(lambda: alone.policy._horizon.stamp_ns == 0)
    assert alone.answer(1) == 0.5
    alone.policy._plans_watchdog.timeout = 0.4
    graph.until(lambda: alone.answer(1) == 0)
    assert "nothing heard on motion_embedding for 0.4" in alone.policy.report.last_error


def test_plans_for_another_horizon_are_refused(graph):
    alone = PolicyAlone(graph)
    alone.answer(0)
    alone.send_plan(Z, 0, spec=dataclasses.replace(graph_stubs.SPEC, horizon=8))
    graph.until(lambda: "plans span 8 steps of 50 ms, not 16 steps of 50 ms" in (alone.policy.report.last_error or ""))
    assert alone.answer(1) == 0
    # Two topics: an embedding may overtake the info that changed with it, and is then refused by the old one.
    graph.until(lambda: alone.send_plan(Z, 0) or alone.policy._horizon.stamp_ns == 0)
    assert alone.answer(1) == 0.5
    assert "plan" not in alone.policy.report._problems
