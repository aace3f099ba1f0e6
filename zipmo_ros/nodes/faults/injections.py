"""How each fault is brought about on a rig. Their names are those of evaluation/faults/kinds.py."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved
from zipmo_ros.nodes.faults import tampering
from zipmo_ros.nodes.faults.rig import SENTENCE, Rig
from zipmo_ros.nodes.faults.rigs import ArmRig
from zipmo_ros.nodes.faults.taps import Tamper
from zipmo_ros.nodes.wire import messages, topics

Lift = Callable[[], Any]  # ends the fault
Inject = Callable[[Rig, random.Random], Lift]  # begins it
RIVAL_PERIOD = 0.03  # s between two messages of a second publisher
DISCOVERY = 5.0  # s


def _tampered(*taps: str, by: Callable[[Rig], Tamper]) -> Inject:
    """Of those taps that the rig has."""

    def inject(rig: Rig, _: random.Random) -> Lift:
        there = [name for name in taps if name in rig.taps]
        for name in there:
            rig.taps[name].tamper = by(rig)

        def lift() -> None:
            for name in there:
                rig.taps[name].tamper = None

        return lift

    return inject


def _views(by: Callable[[], Tamper], count: int | None = None) -> Inject:
    """Of all cameras, or of the first `count`."""
    return lambda rig, rng: _tampered(*rig.robot.views[:count], by=lambda _: by())(rig, rng)


def _on(*taps: str, by: Callable[[], Tamper]) -> Inject:
    return _tampered(*taps, by=lambda _: by())


def _change(*taps: str, by: Callable[[Any], None]) -> Inject:
    return _tampered(*taps, by=lambda _: tampering.changed(by))


def _signal(node: str, number: signal.Signals) -> Inject:
    """A process that has ended comes back when the rig recovers."""

    def inject(rig: Rig, _: random.Random) -> Lift:
        rig.signal(node, number)
        return lambda: rig.signal(node, signal.SIGCONT)

    return inject


def _deactivated(node: str) -> Inject:
    def inject(rig: Rig, _: random.Random) -> Lift:
        rig.transition(node, "deactivate")
        return lambda: rig.transition(node, "activate")

    return inject


def _stop_called(node: str) -> Inject:
    def inject(rig: Rig, _: random.Random) -> Lift:
        rig.trigger(node, "stop")
        return lambda: None

    return inject


def _e_stop(pressed: bool) -> Inject:
    def inject(rig: Rig, _: random.Random) -> Lift:
        rig.emergency_stop.publish(Bool(data=pressed))
        return lambda: rig.emergency_stop.publish(Bool(data=False))

    return inject


def _deadman(said: bool | None) -> Inject:
    def inject(rig: Rig, _: random.Random) -> Lift:
        rig.held = said

        def lift() -> None:
            rig.held = True

        return lift

    return inject


def _rival(kind: type, topic: str, qos: QoSProfile, message: Callable[[Rig], Any]) -> Inject:
    """A second publisher, heard by those who listen."""

    def inject(rig: Rig, _: random.Random) -> Lift:
        publisher = rig.node.create_publisher(kind, topic, qos)
        rig.until(publisher.get_subscription_count, DISCOVERY)
        rig.turn(0.1)
        rig.mark()
        timer = rig.node.create_timer(RIVAL_PERIOD, lambda: publisher.publish(message(rig)))

        def lift() -> None:
            rig.node.destroy_timer(timer)
            rig.node.destroy_publisher(publisher)

        return lift

    return inject


def _said(sentence: str) -> Inject:
    def inject(rig: Rig, _: random.Random) -> Lift:
        rig.say(sentence)
        return lambda: rig.say(SENTENCE)

    return inject


def _busy(rig: Rig, rng: random.Random) -> Lift:
    """Twice as much to do as there are cores."""
    count = 2 * len(os.sched_getaffinity(0))
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]

    def lift() -> None:
        for burner in burners:
            burner.kill()
            burner.wait()

    return lift


def _controller_gone(rig: Rig, rng: random.Random) -> Lift:
    """It holds the arm, and listens no more, until it is back."""
    assert isinstance(rig, ArmRig)
    arm = rig.arm
    topic = arm.resolve_topic_name(arm.spec.topic(rig.interface))
    (heard,) = [subscription for subscription in arm.subscriptions if subscription.topic_name == topic]
    arm.destroy_subscription(heard)
    arm.rest()
    return lambda: arm.create_subscription(heard.msg_type, topic, heard.callback, heard.qos_profile)


def _now_ns(rig: Rig) -> int:
    return int(rig.node.get_clock().now().nanoseconds)


def _rival_pose(rig: Rig) -> PoseStamped:
    """Of a hand that is elsewhere: as a goal, or as measured."""
    elsewhere = moved(rig.hands[-1][1], np.array([0, 0, 0.05, 0, 0, 0]))
    return messages.command_messages(Command(elsewhere, 0.0), _now_ns(rig), rig.robot)[0]


def _rival_joints(rig: Rig) -> JointState:
    """Of an arm that stands still in the middle of its limits."""
    middle = np.mean(rig.robot.joint_limits, axis=1)
    proprio = np.append(middle, np.zeros(len(rig.robot.fingers)))
    return messages.joint_state_message(proprio, _now_ns(rig), rig.robot)


def _rival_plan(rig: Rig) -> Image:
    """Of numbers that no policy should act on."""
    views = len(rig.robot.views)
    data = np.full((2 * views, 2, 4), 0.5, np.float32)
    message = Image(height=2 * views, width=2, encoding="32FC4", step=32)
    message.header.stamp = messages.to_stamp(_now_ns(rig))
    message.data = data.tobytes()
    return message


def _fill(message: Any, value: float) -> None:
    message.pose.position.x = value


def _move(message: Any, axis: str, metres: float) -> None:
    setattr(message.pose.position, axis, getattr(message.pose.position, axis) + metres)


def _joint(message: Any, index: int, change: Callable[[float], float]) -> None:
    message.position[index] = change(message.position[index])


def _near_limit(rig: Rig) -> Tamper:
    """The first joint is told to be half of its margin inside of its limit."""
    _, upper = rig.robot.joint_limits[0]
    place = upper - rig.robot.limits.joint_margin_rad / 2
    return tampering.changed(partial(_joint, index=0, change=lambda _: place))


def _renamed(message: Any) -> None:
    message.name = [f"other_{name}" for name in message.name]


def _cut(message: Any) -> None:
    message.name, message.position = message.name[1:], message.position[1:]


def _gripper(message: Any) -> None:
    message.points[0].positions[0] = float("nan")


def _other_frame(message: Any) -> None:
    message.header.frame_id = "somewhere_else"


def _encoded(message: Any, encoding: str) -> None:
    message.encoding = encoding


def _nonsense(message: Any) -> None:
    message.data = '{"plan": 1}'


def _info_is_nonsense(rig: Rig, rng: random.Random) -> Lift:
    """What is said of plans is said once; so it is said anew, and in the end as it was."""
    tap = rig.taps["info"]
    known = tap.newest
    tap.tamper = tampering.changed(_nonsense)
    tap.publish(known)

    def lift() -> None:
        tap.tamper = None
        tap.publish(known)

    return lift


_NAN, _INF = float("nan"), float("inf")
_SILENT, _STAMPS = tampering.silent, tampering.stamps_frozen
INJECTIONS: dict[str, Inject] = {
    # processes
    "planner killed": _signal("planner", signal.SIGKILL),
    "planner stopped": _signal("planner", signal.SIGSTOP),
    "planner terminated": _signal("planner", signal.SIGTERM),
    "planner deactivated": _deactivated("planner"),
    "policy killed": _signal("policy", signal.SIGKILL),
    "policy stopped": _signal("policy", signal.SIGSTOP),
    "policy terminated": _signal("policy", signal.SIGTERM),
    "policy interrupted": _signal("policy", signal.SIGINT),
    "policy deactivated": _deactivated("policy"),
    "arm node terminated": _signal("arm", signal.SIGTERM),
    "arm node interrupted": _signal("arm", signal.SIGINT),
    "arm node deactivated": _deactivated("arm"),
    "arm node killed": _signal("arm", signal.SIGKILL),
    "arm node stopped": _signal("arm", signal.SIGSTOP),
    "controller gone": _controller_gone,
    "processor busy": _busy,
    # cameras
    "pictures frozen": _views(lambda: tampering.content_frozen("data")),
    "one picture frozen": _views(lambda: tampering.content_frozen("data"), 1),
    "picture stamps frozen": _views(_STAMPS),
    "cameras silent": _views(_SILENT),
    "one camera silent": _views(_SILENT, 1),
    "pictures of another size": _views(lambda: tampering.resized(480, 640)),
    "pictures in grey": _views(lambda: tampering.changed(partial(_encoded, encoding="mono8"))),
    "pictures in bgr8": _views(lambda: tampering.changed(partial(_encoded, encoding="bgr8"))),
    "cameras 1 ns apart": _views(lambda: tampering.shifted(1e-9), 1),
    "camera clocks ahead": _views(lambda: tampering.shifted(0.5)),
    # joint states
    "joint states silent": _on("joints", "fingers", by=_SILENT),
    "joint stamps frozen": _on("joints", "fingers", by=_STAMPS),
    "joint positions frozen": _on("joints", by=lambda: tampering.content_frozen("position")),
    "joint positions NaN": _change("joints", by=partial(_joint, index=2, change=lambda _: _NAN)),
    "joint names of another arm": _change("joints", by=_renamed),
    "a joint missing": _change("joints", by=_cut),
    "joint stamps back": _on("joints", "fingers", by=lambda: tampering.shifted(-1.0)),
    "joint stamps ahead": _on("joints", "fingers", by=lambda: tampering.shifted(1.0)),
    "joint at its limit": _tampered("joints", by=_near_limit),
    "second publisher of joint states": _rival(JointState, topics.JOINT_STATES, topics.SENSOR, _rival_joints),
    # the hand
    "pose silent": _on("hand", by=_SILENT),
    "pose stamps frozen": _on("hand", by=_STAMPS),
    "pose frozen": _on("hand", by=lambda: tampering.content_frozen("pose")),
    "pose NaN": _change("hand", by=partial(_fill, value=_NAN)),
    "pose jumps": _change("hand", by=partial(_move, axis="z", metres=0.3)),
    "pose of another frame": _change("hand", by=_other_frame),
    "second publisher of the pose": _rival(PoseStamped, topics.CURRENT_POSE, topics.SENSOR, _rival_pose),
    # plans
    "plan NaN": _on("plan", by=lambda: tampering.embedding(lambda numbers: numbers * _NAN)),
    "plan absurd": _on("plan", by=lambda: tampering.embedding(lambda numbers: numbers * 50)),
    "policy raises": _on("plan", by=lambda: tampering.embedding(lambda numbers: -numbers)),
    "plan of another size": _on("plan", by=lambda: tampering.embedding(lambda numbers: numbers[: len(numbers) // 2])),
    "plans silent": _on("plan", by=_SILENT),
    "plan repeated": _on("plan", by=tampering.repeated),
    "plans 3.5 s old": _on("plan", by=lambda: tampering.shifted(-3.5)),
    "plans of the future": _on("plan", by=lambda: tampering.shifted(1.0)),
    "plans late by 0.1 s": _on("plan", by=lambda: tampering.late_by(1)),
    "plans late by 0.5 s": _on("plan", by=lambda: tampering.late_by(5)),
    "plans in the wrong order": _on("plan", by=tampering.swapped),
    "plan info is nonsense": _info_is_nonsense,
    "second publisher of plans": _rival(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED, _rival_plan),
    "new sentence": _said("never rest, either"),
    # commands
    "commands silent": _on("pose", "gripper", by=_SILENT),
    "gripper half silent": _on("gripper", by=_SILENT),
    "command repeated": _on("pose", "gripper", by=tampering.repeated),
    "command NaN": _change("pose", by=partial(_fill, value=_NAN)),
    "command infinite": _change("pose", by=partial(_fill, value=_INF)),
    "gripper NaN": _change("gripper", by=_gripper),
    "command in another frame": _change("pose", by=_other_frame),
    "commands 3.5 s old": _on("pose", "gripper", by=lambda: tampering.shifted(-3.5)),
    "commands of the future": _on("pose", "gripper", by=lambda: tampering.shifted(1.0)),
    "command stamps back": _on("pose", "gripper", by=lambda: tampering.once_back(0.08)),
    "goal jumps": _change("pose", by=partial(_move, axis="x", metres=0.3)),
    "goal outside the workspace": _change("pose", by=partial(_move, axis="z", metres=0.12)),
    "second publisher of commands": _rival(PoseStamped, topics.POSE, topics.COMMAND, _rival_pose),
    "second publisher of the gripper": _rival(
        JointTrajectory, topics.GRIPPER, topics.COMMAND,
        lambda rig: messages.command_messages(Command(rig.hands[-1][1], 0.0), _now_ns(rig), rig.robot)[1],
    ),
    # people
    "emergency stop": _e_stop(True),
    "emergency stop says false": _e_stop(False),
    "deadman let go": _deadman(False),
    "deadman silent": _deadman(None),
    "stop called at the policy": _stop_called("policy"),
    "stop called at the arm node": _stop_called("arm"),
}  # fmt: skip
