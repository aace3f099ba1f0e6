"""Realtime: how soon the arm stands still when a part of the loop falls silent, and that it is said why."""

import re
import time

import graph_stubs
import numpy as np
import pytest
from fed_by_hand import Hand
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from zipmo_ros.contract.command import Command
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.sim_node import SimNode
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics

pytestmark = pytest.mark.ros

ROBOT = graph_stubs.ROBOT

WITHIN = 0.5  # s
STALE_PLAN = re.compile(r"arm stopped: (the newest plan is|nothing heard on motion_embedding for) \d")


class Arm:
    """The simulated arm in realtime, and the times at which it moved."""

    def __init__(self, graph, planner=True, policy=True, **sim):
        self.graph = graph
        self.moved_at, self.stood_at, self.actions, self.env = [], [], [], None
        self.planner = self.start_planner() if planner else None
        self.policy = self.start_policy() if policy else None
        self.parameters = {"suite": "stub", "task": "endless", "mode": "realtime", "autostart": False, **sim}
        self.sim = self.start_sim()

    def start_planner(self):
        self.planner = self._start(PlannerNode, graph_stubs.load_planner, checkpoint="pushing")
        return self.planner

    def start_policy(self, **more):
        self.policy = self._start(PolicyNode, graph_stubs.load_policy, checkpoint="pushing", **more)
        return self.policy

    def start_sim(self):
        self.sim = self._start(SimNode, self, **self.parameters)
        return self.sim

    def _start(self, kind, made_with, **parameters):
        return self.graph.start(kind(made_with, **self.graph.options(**{"autostart": False, **parameters})))

    task, tasks = staticmethod(graph_stubs.task), staticmethod(graph_stubs.tasks)

    def make_env(self, suite, task, **options):
        self.env = env = graph_stubs.make_env(suite, task, **options)
        step = env.step

        def watched(action):
            self.actions.append(np.array(action))
            (self.moved_at if np.abs(action[:6]).max() > 1e-6 else self.stood_at).append(time.monotonic())
            return step(action)

        env.step = watched
        return env

    def until_it_runs(self):
        before = len(self.moved_at)
        self.graph.until(lambda: len(self.moved_at) - before > 10, what="for the arm to move")

    def set_going(self):
        """Re-arm both, and again where a busy machine keeps one waiting for longer than its limit, until it runs."""
        before = len(self.moved_at)

        def runs():
            if not (self.policy.safety.armed and self.sim.safety.armed):
                self.arm()
            return len(self.moved_at) - before > 10

        self.graph.until(runs, what="for the arm to move")

    def time_to_stop(self, since):
        """Seconds from `since` to the last motion, after the arm has stood for ten steps."""
        self.graph.until(
            lambda: len([t for t in self.stood_at if t > max(since, self.moved_at[-1])]) > 10, what="for a stop"
        )
        return max(0.0, self.moved_at[-1] - since)

    def stays(self, seconds=0.7):
        """Whether it does not move for a while."""
        before = len(self.moved_at)
        self.graph.turn(seconds)
        return len(self.moved_at) == before

    def arm(self, *nodes):
        """Re-arm nodes as their service does; the answer of the last one that refused."""
        refusal = None
        for node in nodes or (self.policy, self.sim):
            answer = node._guard._on_arm_request(Trigger.Request(), Trigger.Response())
            refusal = refusal if answer.success else answer.message
        return refusal


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
        arm.start_planner()
        arm.graph.until(lambda: arm.policy._chunks.horizon.stamp_ns is not None)
        arm.set_going()
        since = time.monotonic()
        graph.remove(arm.planner)
        return arm.time_to_stop(since)

    record_property("time_to_stop", best_of_three(measure))
    assert STALE_PLAN.search(arm.policy.report.last_error)
    assert arm.actions[0][6] == 0.0  # it was left as it was
    assert arm.actions[-1][6] == 1.0  # closed, and holds what it holds
    assert "stale plan" in arm.arm(arm.policy)  # nobody re-arms an arm without plans

    arm.start_planner()
    graph.until(lambda: arm.policy._chunks.horizon.stamp_ns is not None)
    assert arm.stays()  # never by itself
    arm.set_going()


def test_it_goes_on_by_itself_where_that_was_chosen(graph):
    arm = Arm(graph, policy=False)
    arm.start_policy(resume_automatically="stale plan")
    arm.until_it_runs()
    since = time.monotonic()
    graph.remove(arm.planner)
    arm.time_to_stop(since)
    arm.start_planner()
    arm.until_it_runs()


def test_policy_gone(graph, record_property):
    arm = Arm(graph, policy=False)

    def measure():
        arm.start_policy()
        arm.set_going()
        since = time.monotonic()
        graph.remove(arm.policy)
        return arm.time_to_stop(since)

    arm.graph.until(lambda: arm.env is not None)
    record_property("time_to_stop", best_of_three(measure))
    assert "nothing heard on command/pose" in arm.sim.report.last_error
    arm.start_policy()
    assert arm.stays(1.0)  # a policy that starts again begins armed; the arm does not
    arm.set_going()


def test_simulator_gone_and_back(graph):
    arm = Arm(graph)
    arm.until_it_runs()
    graph.remove(arm.sim)
    graph.until(lambda: "nothing heard on joint_states" in (arm.policy.report.last_error or ""))
    arm.start_sim()
    assert arm.stays()
    arm.set_going()  # both, for what the policy held was where the hand had been before


def test_deactivating_the_policy_stops_the_arm(graph):
    arm = Arm(graph)
    arm.until_it_runs()

    def measure():
        since = time.monotonic()
        arm.policy.trigger_deactivate()
        took = arm.time_to_stop(since)
        arm.policy.trigger_activate()
        arm.set_going()
        return took

    assert best_of_three(measure) < 0.4  # sooner than by silence


def test_a_simulator_that_is_too_slow_says_so(graph):
    arm = Arm(graph, planner=False, policy=False)
    graph.until(lambda: arm.env is not None)
    step = arm.env.step

    def slow(action):
        time.sleep(2.5 * ROBOT.period_s)
        return step(action)

    arm.env.step = slow
    graph.until(lambda: "came too late: the simulator is too slow" in str(arm.sim.report._problems))
    assert arm.sim.values()["overruns"] > 0


def test_emergency_stop_latches(graph):
    """Whether its publisher is volatile or latched."""
    arm = Arm(graph)
    hand = graph.add(Node("person", **graph.options()))
    for qos in (topics.COMMAND, topics.LATCHED):
        button = hand.create_publisher(Bool, topics.EMERGENCY_STOP, qos)
        graph.until(lambda button=button: button.get_subscription_count() >= 2)
        arm.until_it_runs()
        button.publish(Bool(data=True))
        graph.until(lambda: not arm.policy.safety.armed and not arm.sim.safety.armed)
        arm.time_to_stop(time.monotonic())
        assert arm.stays()
        assert "e-stop" in arm.arm()  # still pressed
        button.publish(Bool(data=False))
        graph.turn(0.3)
        assert arm.stays()  # released, and still latched
        graph.until(lambda: arm.arm() is None)
        hand.destroy_publisher(button)


def test_a_deadman_that_falls_silent_stops_it(graph):
    arm = Arm(graph, policy=False)
    hand = graph.add(Node("person", **graph.options()))
    deadman = hand.create_publisher(Bool, topics.DEADMAN, topics.SENSOR)
    held = hand.create_timer(0.05, lambda: deadman.publish(Bool(data=True)))
    arm.start_policy(deadman_timeout=0.4)
    graph.until(lambda: arm.policy._guard._deadman.problem() is None)
    arm.set_going()
    held.cancel()
    graph.until(lambda: "deadman" in arm.policy.safety.causes)
    arm.time_to_stop(time.monotonic())
    assert arm.stays()


def test_commands_that_mean_nothing_do_not_move_it(graph):
    arm = Arm(graph, planner=False, policy=False)
    hand = Hand(graph)
    graph.until(lambda: hand.pose.get_subscription_count() and hand.gripper.get_subscription_count())
    graph.until(lambda: arm.sim._moment is not None)
    goal = arm.sim._moment.observation.hand + np.array([0.03, 0, 0, 0, 0, 0, 0])

    def send(pose, stamp_ns=None, frame=ROBOT.base_frame):
        newest = arm.sim._moment.observation.stamp_ns
        pose, gripper = convert.command_messages(Command(pose, 0.0), newest if stamp_ns is None else stamp_ns, ROBOT)
        pose.header.frame_id = frame
        hand.pose.publish(pose)
        hand.gripper.publish(gripper)

    def refused(text, *wrong, **how):
        graph.until(lambda: send(*wrong, **how) or text in (arm.sim.report.last_error or ""), what=f"for '{text}'")
        assert not arm.moved_at

    refused("the pose is not finite", np.array([np.nan, 0, 0, 0, 0, 0, 1]))
    refused("its frame is 'world', expected the robot's base", goal, frame="world")
    began = arm.sim._moment.observation.stamp_ns
    graph.until(lambda: arm.sim._moment.observation.stamp_ns > began + 10**9)
    refused("a command of 1.", goal, stamp_ns=began)
    graph.until(lambda: send(goal) or arm.moved_at)
