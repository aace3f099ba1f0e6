"""Realtime: how soon the arm stands still when a part of the loop falls silent, and that it is said why."""

import dataclasses
import re
import time

import graph_stubs
import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import MotionPlan
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
        assert arm.arm() is None
        arm.until_it_runs()
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
    assert arm.arm() is None
    arm.until_it_runs()


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
        assert arm.arm(arm.sim) is None
        arm.until_it_runs()
        since = time.monotonic()
        graph.remove(arm.policy)
        return arm.time_to_stop(since)

    arm.graph.until(lambda: arm.env is not None)
    record_property("time_to_stop", best_of_three(measure))
    assert "nothing heard on command/pose" in arm.sim.report.last_error
    arm.start_policy()
    assert arm.stays(1.0)  # a policy that starts again begins armed; the arm does not
    arm.graph.until(lambda: arm.arm(arm.sim) is None)
    arm.until_it_runs()


def test_simulator_gone_and_back(graph):
    arm = Arm(graph)
    arm.until_it_runs()
    graph.remove(arm.sim)
    graph.until(lambda: "nothing heard on joint_states" in (arm.policy.report.last_error or ""))
    arm.start_sim()
    assert arm.stays()
    arm.graph.until(lambda: arm.arm() is None)  # both: what the policy held was where the hand had been before
    arm.until_it_runs()


def test_deactivating_the_policy_stops_the_arm(graph):
    arm = Arm(graph)
    arm.until_it_runs()

    def measure():
        since = time.monotonic()
        arm.policy.trigger_deactivate()
        took = arm.time_to_stop(since)
        arm.policy.trigger_activate()
        arm.graph.until(lambda: arm.arm(arm.sim) is None)
        arm.until_it_runs()
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
        graph.turn(0.2)
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
    arm.graph.until(lambda: arm.arm() is None)
    arm.until_it_runs()
    held.cancel()
    graph.until(lambda: "deadman" in arm.policy.safety.causes)
    graph.turn(0.2)
    assert arm.stays()


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


class Hand:
    """Publishes plans, joint states or commands as another node would."""

    def __init__(self, graph, name="hand"):
        self.node = graph.add(Node(name, **graph.options()))
        self.plan = self.node.create_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
        self.info = self.node.create_publisher(String, topics.PLAN_INFO, topics.LATCHED)
        self.joints = self.node.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self.hand = self.node.create_publisher(PoseStamped, topics.CURRENT_POSE, topics.SENSOR)
        self.instruction = self.node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        self.pose = self.node.create_publisher(PoseStamped, topics.POSE, topics.COMMAND)
        self.gripper = self.node.create_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)


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


class FedByHand:
    """A policy in realtime, wherever it runs: joint states, poses and plans for it, and the goals that it answers."""

    def __init__(self, graph, pose=(0.4, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0), fingers=(0.02, -0.02)):
        self.graph, self.measured, self.fingers = graph, np.array(pose), fingers
        self.hand = Hand(graph)
        self.goals, self.openings = [], []
        self.hand.node.create_subscription(PoseStamped, topics.POSE, self.goals.append, 10)
        self.hand.node.create_subscription(JointTrajectory, topics.GRIPPER, self.openings.append, 10)
        graph.until(
            lambda: (
                self.hand.plan.get_subscription_count()
                and self.hand.joints.get_subscription_count()
                and self.hand.node.count_publishers(topics.POSE) > 1
                and self.hand.node.count_publishers(topics.GRIPPER) > 1
            )
        )

    def send_plan(self, step, z=None, hand=None, spec=graph_stubs.SPEC, sentence="push"):
        plan = MotionPlan(
            step * ROBOT.period_ns, Sentence(sentence), spec, np.zeros((1, *graph_stubs.LATENT), np.float32)
        )
        message = convert.embedding_message(plan, "agentview")
        if z is not None:
            message.data = z.tobytes()
        (hand or self.hand).info.publish(convert.plan_info(plan, "hand"))
        (hand or self.hand).plan.publish(message)

    def send_state(self, step):
        stamp_ns = step * ROBOT.period_ns
        proprio = np.concatenate([graph_stubs.HOME[:7], self.fingers])
        self.hand.hand.publish(convert.pose_message(self.measured, stamp_ns, ROBOT))
        self.hand.joints.publish(convert.joint_state_message(proprio, stamp_ns, ROBOT))

    def offset(self, step=None):
        """How far along x the hand is to go from where it is measured: the newest goal, or that for a step."""
        goals = [g for g in self.goals if step is None or convert.to_ns(g.header.stamp) == step * ROBOT.period_ns]
        return round(goals[-1].pose.position.x - self.measured[0], 9) if goals else None

    def answer(self, step):
        """The offset that is commanded for step `step`."""
        for _ in range(20):  # joint states are best effort
            self.send_state(step)
            self.graph.turn(0.03)
            if (offset := self.offset(step)) is not None:
                return offset
        raise AssertionError(f"no command for step {step}")


class PolicyAlone(FedByHand):
    """The policy in this process, whose plans are told by their stamps alone."""

    def __init__(self, graph, **measured):
        options = graph.options(checkpoint="pushing", autostart=False)
        self.policy = graph.start(PolicyNode(graph_stubs.load_policy, **options))
        self.policy._chunks.watchdog.timeout = 1000.0
        super().__init__(graph, **measured)

    def run_to(self, step):
        """Have it act up to a step, on a plan of step 0."""
        self.answer(0)
        self.send_plan(0)
        self.graph.until(lambda: self.policy._chunks.horizon.stamp_ns == 0)
        for each in range(1, step):
            self.answer(each)


Z = np.zeros(graph_stubs.LATENT, np.float32)
PUSH = 0.5 * ROBOT.translation_m


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


def test_lockstep_needs_a_source_that_waits(graph):
    alone = PolicyAlone(graph)
    assert alone.policy.set_parameters([Parameter("mode", value="lockstep")])[0].successful
    alone.send_plan(0)
    for step in range(8):
        alone.send_state(step)
        graph.turn(0.05)
    assert not alone.goals
    graph.until(lambda: "a robot needs mode=realtime" in str(alone.policy.report._problems), timeout=10)
