"""The arm node before controllers that have no timeout of their own: it moves them as told, and it alone stops them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="the fake arms need pin")

from arm_bench import PATIENT, ROBOT, SPEED, STEP, STILL, Bench, Commander
from geometry_msgs.msg import PoseStamped, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.nodes.arm_node import ArmNode
from zipmo_ros.nodes.faults import fake_arms
from zipmo_ros.nodes.wire import messages, topics

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("interface", fake_arms.STAND_INS)
def test_it_goes_where_it_is_told_and_stops_when_nobody_tells_it_any_more(graph, interface):
    bench = Bench(graph, interface)
    bench.until_it_moves()
    start, at = bench.arm.hand, bench.arm.hands[-1][0]
    graph.turn(0.6)
    way = offset_between(start, bench.arm.hand)
    # How fast exactly is asked of test/arms, by a clock of its own: a busy machine renews goals late.
    assert 0.3 * SPEED < way[0] / (bench.arm.hands[-1][0] - at) < 1.4 * SPEED
    assert np.linalg.norm(way[1:3]) < 0.01
    assert np.linalg.norm(way[3:]) < 0.05
    assert not bench.arm.refused

    bench.commander.stopped = True
    assert bench.stops("nothing heard on command/pose") < 0.15
    bench.commander.stopped = False
    graph.turn(0.4)
    assert bench.arm.speed() < STILL  # never by itself
    graph.until(lambda: bench.call("arm").success)  # a busy machine's first goal may be of where the hand was before
    bench.until_it_moves()


def test_it_begins_unarmed(graph):
    bench = Bench(graph, begin_armed=False)
    graph.turn(0.7)
    assert bench.arm.speed() == 0
    assert "nobody has armed it yet" in bench.node.safety.reason
    assert bench.call("arm").success
    bench.until_it_moves()


def test_old_commands_are_refused(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    bench.commander.late_s = 3.5
    bench.stops("a command is 3.5", "s old by its stamp")
    assert not bench.call("arm").success  # they still come


def test_commands_of_the_future_are_refused(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    bench.commander.late_s = -1.0
    bench.stops("s ahead by its stamp")


def test_commands_in_another_frame_are_refused(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    bench.commander.frame = "world"
    bench.stops("of frame 'world', expected 'panda_link0'")
    answer = bench.call("arm")
    assert not answer.success
    assert "wrong frame" in answer.message


def test_numbers_that_are_none_stop_it(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    bench.commander.offset = np.full(6, np.nan)
    bench.stops("the pose is not finite")


def test_a_goal_far_away_stops_it(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    bench.commander.offset = np.array([0, 0.4, 0, 0, 0, 0])
    bench.stops("from the hand")


def test_a_second_publisher_stops_it(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    graph.add(Commander(graph, name="intruder"))
    bench.stops("2 publishers on /command/")
    assert "/intruder" in bench.node.safety.reason


def test_a_repeated_stamp_is_no_sign_of_life(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    frozen = bench.node.get_clock().now().nanoseconds
    send = bench.commander.send
    bench.commander.send = lambda pose: send(pose, frozen)
    bench.stops()
    assert {"stale command", "backward stamp"} & set(bench.node.safety.causes)


@pytest.mark.parametrize("what", ["silent", "frozen"])
def test_an_arm_that_no_longer_tells_where_it_is_is_stopped(graph, what):
    bench = Bench(graph)
    bench.until_it_moves()
    publish, frozen = bench.arm.publish_state, bench.node.get_clock().now().nanoseconds
    bench.arm.publish_state = (lambda stamp_ns: None) if what == "silent" else lambda stamp_ns: publish(frozen)
    bench.stops({"silent": "nothing heard on current_pose", "frozen": "nothing new on current_pose"}[what])


@pytest.mark.parametrize("latched", [True, False])
def test_the_emergency_stop_latches(graph, latched):
    bench = Bench(graph)
    bench.until_it_moves()
    qos = topics.LATCHED if latched else topics.COMMAND
    button = bench.commander.create_publisher(Bool, topics.EMERGENCY_STOP, qos)
    graph.until(lambda: button.get_subscription_count() >= 1 + latched)
    button.publish(Bool(data=True))
    assert bench.stops("emergency_stop") < 0.05
    assert not bench.call("arm").success
    button.publish(Bool(data=False))
    graph.until(lambda: bench.call("arm").success)
    bench.until_it_moves()


def test_the_deadman_stops_it(graph):
    bench = Bench(graph, deadman_timeout=0.2)
    hand = bench.commander.create_publisher(Bool, topics.DEADMAN, topics.COMMAND)
    graph.turn(0.5)
    assert bench.arm.speed() == 0
    held = bench.commander.create_timer(0.05, lambda: hand.publish(Bool(data=True)))
    graph.until(lambda: bench.call("arm").success)
    bench.until_it_moves()
    held.cancel()
    bench.stops("deadman")


def test_a_stop_may_be_asked_for(graph):
    bench = Bench(graph)
    bench.until_it_moves()
    assert bench.call("stop").success
    bench.stops("a stop was requested")


@pytest.mark.parametrize("interface", ["joint_velocity", "joint_position", "pose", "twist"])
@pytest.mark.parametrize("transition", ["trigger_deactivate", "trigger_shutdown"])
def test_leaving_stops_it(graph, interface, transition):
    bench = Bench(graph, interface)
    bench.until_it_moves()
    before = bench.arm.hand
    getattr(bench.node, transition)()
    graph.until(lambda: bench.arm.speed() < STILL, what="for the arm to stop")
    assert np.linalg.norm(bench.arm.hand[:3] - before[:3]) < 0.02
    graph.turn(0.3)
    assert bench.arm.speed() < STILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_arm_before_it_ends_the_process(graph, number):
    """The process is ended while the arm moves, and its controller would let it move on for ever."""
    arm = graph.add(fake_arms.ForwardVelocityStandIn(ROBOT, **graph.options()))
    given = {
        "command_interface": "joint_velocity",
        "gripper_interface": "position_array",
        "begin_armed": "true",
    } | PATIENT
    words = [sys.executable, "-m", "zipmo_ros.nodes.arm_node", "--ros-args"]
    for name, value in given.items():
        words += ["-p", f"{name}:={value}"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(graph.domain), "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        graph.add(Commander(graph))
        graph.until(lambda: arm.speed() > SPEED / 4 if arm.hands else False, what="for the arm to move")
        process.send_signal(number)
        graph.until(lambda: process.poll() is not None)
        assert process.returncode == 0, process.stdout.read()
        graph.turn(0.2)
        assert arm.speed() < STILL
        assert np.all(arm.values == 0)
    finally:
        process.kill()
        process.communicate()


def test_one_that_was_left_moving_is_stopped(graph):
    """A node before this one was killed while it moved; its controller has no timeout."""
    arm = graph.add(fake_arms.ForwardVelocityStandIn(ROBOT, **graph.options()))
    arm.values = np.full(7, 0.05)
    graph.until(lambda: arm.hands and arm.speed() > 0.01)
    given = {"command_interface": "joint_velocity", "gripper_interface": "position_array", "autostart": False}
    graph.start(ArmNode(**graph.options(**given)))
    graph.until(lambda: arm.speed() < STILL)


def test_the_gripper_stays_as_it_is_seen_until_it_is_told(graph):
    bench = Bench(graph, commands=False)
    heard = []
    topic = ROBOT.arm.gripper.interfaces["position_array"]
    bench.arm.create_subscription(Float64MultiArray, topic, lambda message: heard.append(message.data[0]), 10)
    bench.arm.opening = 0.03
    graph.turn(0.4)
    bench.node.trigger_deactivate()
    bench.node.trigger_activate()
    graph.turn(0.4)
    assert not heard
    assert bench.arm.opening == 0.03
    commander = graph.add(Commander(graph))
    commander.gripper = 0.01
    graph.until(lambda: heard)
    assert heard[0] == pytest.approx(0.005)  # of each finger
    graph.until(lambda: bench.arm.opening == pytest.approx(0.01))


def test_a_shadow_moves_nothing(graph):
    bench = Bench(graph, shadow=True)
    told = []
    topic = f"arm/shadow/{ROBOT.arm.topic('joint_velocity')}"
    bench.commander.create_subscription(Float64MultiArray, topic, told.append, 10)
    graph.until(lambda: len(told) > 20)
    assert bench.arm.speed() == 0
    assert np.abs(told[-1].data).max() > 0.01
    assert bench.commander.count_publishers(ROBOT.arm.topic("joint_velocity")) == 0


def test_where_the_hand_is_may_come_from_the_joints(graph):
    bench = Bench(graph, hand_pose="kinematics", tells_pose=False)
    graph.until(lambda: bench.commander.hand is not None, what="for the arm's node to tell it")  # nobody else does
    at = bench.commander.hand
    graph.until(lambda: bench.arm.hand[0] - at[0] > STEP[0] / 2)


def test_a_failure_of_its_own_stops_it(graph, monkeypatch):
    bench = Bench(graph)
    bench.until_it_moves()
    interface = bench.node.controllers.interface
    monkeypatch.setattr(interface, "toward", lambda *given: 1 / 0)
    bench.stops("ZeroDivisionError")
    monkeypatch.undo()
    assert bench.call("arm").success
    bench.until_it_moves()


def test_a_controller_that_is_gone_stops_it(graph):
    bench = Bench(graph, "joint_position")
    bench.until_it_moves()
    graph.remove(bench.arm)
    source = graph.add(fake_arms.CrispStandIn(ROBOT, **graph.options()))  # tells where it is, and hears something else
    graph.until(lambda: "controller" in bench.node.safety.causes, what=str(source))


class Lockstep:
    """The arm node before a simulator that waits, which is this test."""

    def __init__(self, graph, interface):
        from zipmo_ros.arms.kinematics import Kinematics

        self.graph = graph
        given = {"mode": "lockstep", "command_interface": interface, "gripper_interface": "joint_trajectory"}
        self.node = graph.start(ArmNode(**graph.options(**given, autostart=False)))
        self.hand = Kinematics(ROBOT).forward(np.array(ROBOT.arm.home))
        self.somebody = graph.add(Commander(graph))
        self.somebody.stopped = True
        self.current = self.somebody.create_publisher(PoseStamped, topics.CURRENT_POSE, topics.COMMAND)
        self.joints = self.somebody.create_publisher(JointState, topics.JOINT_STATES, topics.COMMAND)
        self.heard = []
        kind = TwistStamped if interface == "twist" else PoseStamped
        for topic, type_ in (
            (ROBOT.arm.topic(interface), kind), (ROBOT.arm.gripper.interfaces["joint_trajectory"], JointTrajectory)
        ):  # fmt: skip
            self.somebody.create_subscription(type_, topic, self.heard.append, 10)
        graph.until(lambda: self.current.get_subscription_count() and self.somebody.pose.get_subscription_count())
        graph.turn(0.2)

    def step(self, stamp_ns, goal):
        before = len(self.heard)
        self.current.publish(messages.pose_message(self.hand, stamp_ns, ROBOT))
        self.somebody.send(goal, stamp_ns)
        self.graph.until(lambda: len(self.heard) >= before + 2, what="for an answer")
        return self.heard[before:]


def test_in_lockstep_each_command_is_answered_with_its_own_stamp_and_the_very_same_pose(graph):
    lockstep = Lockstep(graph, "pose")
    for number in range(1, 6):
        stamp_ns = number * ROBOT.period_ns
        goal = moved(lockstep.hand, np.array([0.001 * number, 0.0005, 0, 0, 0, 0.003]))
        kinds = {type(message): message for message in lockstep.step(stamp_ns, goal)}
        assert messages.to_ns(kinds[PoseStamped].header.stamp) == stamp_ns
        np.testing.assert_array_equal(messages.read_pose(kinds[PoseStamped], ROBOT), goal)


def test_in_lockstep_the_same_question_has_the_same_answer(graph):
    lockstep = Lockstep(graph, "twist")
    goal = moved(lockstep.hand, STEP)
    first = next(m for m in lockstep.step(ROBOT.period_ns, goal) if isinstance(m, TwistStamped))
    again = next(m for m in lockstep.step(ROBOT.period_ns, goal) if isinstance(m, TwistStamped))
    assert first == again
    assert first.twist.linear.x > 0


@pytest.mark.parametrize(("given", "reason"), [
    ({"robot": "so101", "command_interface": "pose"}, "the arm has no controller for 'pose'; it has joint_trajectory"),
    ({"robot": "ur5e", "command_interface": "joint_position", "gripper_interface": "gripper_command"}, "names no URDF"),
    ({"robot": "panda", "gripper_interface": "parallel_gripper_command"}, "has no gripper interface"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_at_configure(graph, given, reason):
    node = graph.add(ArmNode(**graph.options(**given, autostart=False)))
    assert node.trigger_configure().name == "FAILURE"
    assert reason in node.report.last_error
