"""Commands of the policy in, setpoints of an arm's controllers out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.publisher import Publisher
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.arms.interfaces import Measured
from zipmo_ros.contract.command import Command
from zipmo_ros.contract.robot import RobotSpec, load_robot
from zipmo_ros.contract.stamps import goes_on
from zipmo_ros.nodes.controllers import Controllers, make_controllers
from zipmo_ros.nodes.diagnostics import WARN, Rate
from zipmo_ros.nodes.graph import ARM
from zipmo_ros.nodes.guard import Guard
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import ArmParameters
from zipmo_ros.nodes.sole_source import SoleSource
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.history import History
from zipmo_ros.runtime.joints import JointStates
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.pairing import Pairing
from zipmo_ros.runtime.safety import Safety
from zipmo_ros.runtime.sense import Sense
from zipmo_ros.runtime.standstill import HAND_MOVED, JOINTS_MOVED
from zipmo_ros.runtime.watchdog import Watchdog

if TYPE_CHECKING:  # rclpy has it from Kilted on
    from rclpy.subscription import MessageInfo

KEPT_NS = 10**9  # past of the hand and the joints, to find those that a command was made at
SKEW_NS = 50 * 10**6  # that joints of one moment may be apart, where several publishers tell of them
FUTURE_S = 0.1  # s that a command's stamp may lie ahead of the clock here
STOP_S = 0.3  # s that a stop is repeated for: a controller of joints has no timeout, and keeps what it was told last
FLUSH_S = 0.2  # s to wait for a last stop to arrive


class ArmNode(ManagedNode):
    """Sends an arm's hand where commands say, and stops it by default.

    Every command passes Safety once more, with the hand as it is measured here. Realtime: the hand is led to the newest
    goal at rate_hz; any stop is latched, sent for STOP_S, and then nothing more, until ~/arm is called and a new
    command comes. Lockstep, for a simulator that waits: one setpoint for each command, with its stamp, the gripper's
    first.
    """

    entry = ARM
    schema = ArmParameters

    def __init__(self, **options: Any):
        self._controllers: Controllers | None = None
        self._hands: History[np.ndarray] = History(KEPT_NS)
        self._joints: History[np.ndarray] = History(KEPT_NS)
        self._halves = Pairing((topics.POSE, topics.GRIPPER))
        self._unanswered: tuple[int, Command] | None = None  # lockstep: its hand is still to come
        self._answered: tuple[int, list[Callable[[], None]]] | None = None  # lockstep: what was sent, to be sent again
        self._newest_ns: int | None = None  # stamp of the newest command
        self._goal: Command | None = None  # that the hand is being led to
        self._still: Measured | None = None  # where a stopped arm is held
        self._stop_until = 0.0
        self._foreign: set[str] = set()  # topics whose newest pose is of another frame
        self._age, self._rate = LatencyWindow(), Rate()
        super().__init__(**options)
        self._robot = load_robot(self.settings.robot)
        self._parts = JointStates(self._robot.joints, SKEW_NS)
        self.safety = Safety(self._robot, automatic=self.settings.automatic)
        self._guard = Guard(self, self.safety, self._stop, self.settings.deadman_timeout)
        self._guard.follow_commander(lambda: self._goal is not None)
        self._commands_watchdog = Watchdog(f"{topics.POSE} and {topics.GRIPPER}", self.settings.command_timeout)
        moved = {topics.CURRENT_POSE: JOINTS_MOVED, topics.JOINT_STATES: HAND_MOVED}
        self._felt = {topic: Sense(topic, self.settings.joint_timeout, moved[topic]) for topic in moved}
        self.subscribe(PoseStamped, topics.POSE, self._on_pose, topics.COMMAND)
        self.subscribe(JointTrajectory, topics.GRIPPER, self._on_gripper, topics.COMMAND)
        self._told_hand: Publisher | None = None
        if self.settings.hand_pose == "current_pose":
            self.subscribe(PoseStamped, topics.CURRENT_POSE, self._on_hand, topics.SENSOR)
        else:  # whoever commands needs it too
            self._told_hand = self.create_publisher(PoseStamped, topics.CURRENT_POSE, topics.OFFERED)
        # Several publishers, each of some joints, are usual: the arm's broadcaster, and the gripper's.
        wanted = {*self._robot.joints, *(self._robot.arm.gripper.joints if self._robot.arm else ())}
        self._joint_source = SoleSource(self, self.report, topics.JOINT_STATES, JointState,
                                        lambda message: wanted.intersection(message.name))  # fmt: skip
        self.sources.append(self._joint_source)
        self.create_subscription(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR_PARTS)
        self.create_timer(1 / self.settings.rate_hz, self._tick, clock=self.steady)

    def load(self) -> None:
        self._controllers = make_controllers(self, self._robot, self.settings)

    @property
    def controllers(self) -> Controllers:
        """There from `load` to `unload`."""
        assert self._controllers is not None
        return self._controllers

    def unload(self) -> None:
        if self._controllers is not None:
            self._controllers.close()
        self._controllers = None

    def begin(self) -> None:
        self._commands_watchdog.reset()
        for sense in self._felt.values():
            sense.reset()
        self._hands.clear()
        self._joints.clear()
        self._parts.reset()
        self._forget()
        self.safety.reset()
        if self._realtime and not self.settings.begin_armed:
            self.safety.trip("stop request", "nobody has armed it yet")
        self._guard.report()

    def end(self) -> None:
        if not self._realtime:
            return  # the simulator waits
        self.safety.trip("inactive", "the arm's node was deactivated")
        self._stop()
        for _ in range(2):  # a controller may hear best effort only
            self._send_stop()
        self.controllers.arm_output.flush(FLUSH_S)
        self.safety.over("inactive")

    @property
    def _realtime(self) -> bool:
        return self.settings.mode == "realtime"

    def _take_settings(self, settings: ArmParameters) -> None:
        super()._take_settings(settings)
        self._commands_watchdog.timeout = settings.command_timeout
        for sense in self._felt.values():
            sense.timeout = settings.joint_timeout

    def _forget(self) -> None:
        """Another episode, or activated anew."""
        self._halves.reset()
        self._unanswered = self._answered = self._newest_ns = self._goal = self._still = None
        self.controllers.interface.reset()
        self.controllers.gripper.reset()
        self.controllers.reckoning.reset()
        self._foreign.clear()

    def _on_hand(self, message: PoseStamped) -> None:
        if self._in_base_frame(topics.CURRENT_POSE, message):
            self._take_hand(messages.to_ns(message.header.stamp), messages.read_pose(message, self._robot))

    def _in_base_frame(self, topic: str, message: PoseStamped) -> bool:
        """A pose of another frame stops the arm, until the next one of its topic that is not."""
        frame, base = message.header.frame_id, self._robot.base_frame
        (self._foreign.discard if frame == base else self._foreign.add)(topic)
        if frame != base:
            self._trip("wrong frame", f"{topic} is of frame '{frame}', expected '{base}'")
        elif not self._foreign:
            self.safety.over("wrong frame")
        return frame == base

    def _on_joints(self, message: JointState, info: MessageInfo) -> None:
        named = info.get("publisher_gid") is not None  # rclpy before Kilted does not say: there all are heard
        if not self.active or (named and not self._joint_source.accepts(message, info)):
            return
        opening = self.controllers.gripper.measured(message.name, message.position)
        if opening is not None:
            self.safety.gripper_seen(opening)
        try:
            whole = self._parts.add(messages.to_ns(message.header.stamp), message.name, message.position)
        except ValueError as error:
            self.report.event(f"{topics.JOINT_STATES}: {error}; message dropped")
            return
        self._joint_source.valid(message, info)
        if whole is None:
            return
        joints = whole.positions.astype(np.float64)
        self._felt[topics.JOINT_STATES].feel(whole.stamp_ns, joints, self._hands.newest)
        self._joints.add_or_restart(whole.stamp_ns, joints)
        if self.controllers.kinematics is not None:
            hand = self.controllers.kinematics.forward(joints)
            if self._told_hand is not None:
                self._told_hand.publish(messages.pose_message(hand, whole.stamp_ns, self._robot))
            self._take_hand(whole.stamp_ns, hand)

    def _take_hand(self, stamp_ns: int, pose: np.ndarray) -> None:
        if not self._realtime and not goes_on(self._hands.newest_ns, stamp_ns):
            self._forget()
            self.safety.reset()
            self._guard.report()
        told = None if self.controllers.kinematics is not None else self._joints.newest  # else they are the same
        self._felt[topics.CURRENT_POSE].feel(stamp_ns, pose, told)
        self._hands.add_or_restart(stamp_ns, pose)
        if told is not None:
            self.controllers.reckoning.seen(pose, told)
        if self._realtime and (leap := self.safety.hand_seen(pose)) and self._goal is not None:
            self._trip("jump", f"the hand was measured {leap} from where it was before")
        if self._realtime and self._still is None and self.controllers.interface.moves_on:
            self._stand_still()  # whoever was here before may have left it moving
        self._answer()

    def _measured(self, stamp_ns: int | None = None) -> Measured | None:
        """Of that stamp, or the newest; None before there is any, or while the joints are missing where needed."""
        hand = self._hands.newest if stamp_ns is None else self._hands.at(stamp_ns)
        joints = self._joints.newest if stamp_ns is None else self._joints.at(stamp_ns)
        if hand is None or (joints is None and self.controllers.interface.needs_joints):
            return None
        return Measured(hand, np.empty(0) if joints is None else joints)

    def _on_pose(self, message: PoseStamped) -> None:
        if self._in_base_frame(topics.POSE, message):
            self._pair(topics.POSE, messages.read_pose, message)

    def _on_gripper(self, message: JointTrajectory) -> None:
        self._pair(topics.GRIPPER, messages.read_gripper, message)

    def _pair(self, topic: str, read: Callable[[Any, RobotSpec], Any], message: Any) -> None:
        """Take half of a command, which it is once both of one stamp are there."""
        try:
            value = read(message, self._robot)
        except ValueError as error:
            self._trip("not finite", f"{topic}: {error}")
            return
        stamp_ns = messages.to_ns(message.header.stamp)
        halves = self._halves.add(topic, stamp_ns, value)
        if halves is None:
            return
        command = Command(halves[topics.POSE], halves[topics.GRIPPER])
        if self._realtime:
            self._take_command(stamp_ns, command)
        else:
            self._unanswered = stamp_ns, command
            self._answer()

    def _take_command(self, stamp_ns: int, command: Command) -> None:
        """Realtime: have the hand led to the command's goal from now on, if it may be."""
        if self._newest_ns == stamp_ns:
            return  # the same again is no sign of life
        age = (self.get_clock().now().nanoseconds - stamp_ns) / 1e9
        if age > self.settings.command_timeout or age < -FUTURE_S:
            cause, text = ("stale command", f"{age:.2f} s old") if age > 0 else ("future stamp", f"{-age:.2f} s ahead")
            self._commands_watchdog.reset()  # what came before it is no sign of life any more
            self._trip(cause, f"a command is {text} by its stamp")
            return
        self.safety.over("future stamp")
        self._newest_ns = stamp_ns
        self._commands_watchdog.feed()
        self._age.add(1e3 * age)
        measured = self._measured()
        if measured is None:
            return  # that is said by _watch
        was_armed = self.safety.armed
        allowed = self.safety.allow(command, measured.hand, self._joints.newest, stamp_ns)
        if was_armed and not self.safety.armed:
            self._stop()
        self._guard.report()
        if allowed is not None and self.safety.armed:
            self._goal = allowed
            self._send_gripper(allowed.gripper)

    def _answer(self) -> None:
        """Lockstep: send what a command becomes, once the hand that it was made at is known; the same for the same."""
        if self._unanswered is None:
            return
        stamp_ns, command = self._unanswered
        measured = self._measured(stamp_ns)
        if measured is None:
            return
        self._unanswered = None
        if self._answered is None or self._answered[0] != stamp_ns:
            self._answered = stamp_ns, self._lockstep_answer(stamp_ns, command, measured)
        for send in self._answered[1]:
            send()
        self._rate.tick()

    def _lockstep_answer(self, stamp_ns: int, command: Command, measured: Measured) -> list[Callable[[], None]]:
        c = self.controllers
        allowed = self.safety.allow(command, measured.hand, self._joints.at(stamp_ns), stamp_ns)
        self._guard.report()
        if allowed is None:
            return []
        if self.safety.armed:
            setpoint = c.interface.toward(allowed.pose, measured, self._robot.period_s)
        else:
            setpoint = c.interface.stop(Measured(allowed.pose, measured.joints))
        sends = [lambda: c.arm_output.send(setpoint, stamp_ns)]
        gripper = c.gripper.toward(allowed.gripper)
        if gripper is not None:
            sends.insert(0, lambda: c.gripper_output.send(gripper, stamp_ns))
        return sends

    def _tick(self) -> None:
        """Realtime: every period of rate_hz. What fails here stops the arm."""
        if not self.active or not self._realtime:
            return
        try:
            self._drive()
        except Exception as error:
            self._trip("failure", repr(error))
            self.safety.over("failure")
            raise

    def _drive(self) -> None:
        self._watch()
        if self._goal is None:
            if time.monotonic() < self._stop_until:
                self._send_stop()
            return
        measured = self._measured()
        assert measured is not None  # a goal is taken once it is, and it is kept
        setpoint = self.controllers.interface.toward(self._goal.pose, measured, 1 / self.settings.rate_hz)
        self.controllers.arm_output.send(setpoint, self.get_clock().now().nanoseconds)
        self._rate.tick()

    def _watch(self) -> None:
        """Find what has fallen silent, and what else must not go on."""
        self._guard.check()
        problems = [sense.problem() for sense in self._felt.values()]
        needed = problems if self.controllers.interface.needs_joints else problems[:1]
        felt = {
            cause: "; ".join(text for name, text in filter(None, among) if name == cause) or None
            for cause, among in (
                ("stale observation", needed),
                ("backward stamp", needed),
                ("frozen content", problems),
            )
        }
        missing = self._parts.problem() if needed[-1] else None
        silent = "; ".join(filter(None, [felt["stale observation"], missing])) or None
        lost = None if self.settings.shadow or self.controllers.arm_output.heard() else "no controller listens"
        found = {
            **felt, "stale observation": silent, "stale command": self._commands_watchdog.problem(),
            "two publishers": self.rivals(), "controller": lost,
        }  # fmt: skip
        for cause, text in found.items():
            if text is None:
                self.safety.over(cause)
            elif self._goal is not None:
                self._trip(cause, text)
        self.report.problem("input", silent if self._goal is None else None, WARN)

    def _trip(self, cause: str, text: str) -> None:
        self.safety.trip(cause, text)
        self._stop()
        self._guard.report()

    def _stop(self) -> None:
        """Have a moving arm stand still where it has come to; one that stands is left alone."""
        if self._goal is None:
            return
        self._goal = None
        self.controllers.interface.reset()
        self._stand_still()

    def _stand_still(self) -> None:
        """Send a stop, and go on sending it for a while."""
        self._reckon()
        held, measured = self.safety.hold(), self._measured()
        if measured is None:
            return  # nothing has been sent, either
        self._still = Measured(measured.hand if held is None else held.pose, measured.joints)
        self._stop_until = time.monotonic() + STOP_S
        self._send_stop()

    def _reckon(self) -> None:
        """A hand that is not seen any more is where its joints say."""
        joints, felt = self._joints.newest, self._felt
        lost, known = felt[topics.CURRENT_POSE].problem(), not felt[topics.JOINT_STATES].problem()
        if lost and known and joints is not None and (hand := self.controllers.reckoning.hand(joints)) is not None:
            self.safety.hand_seen(hand)

    def _send_stop(self) -> None:
        if self._still is not None:
            setpoint = self.controllers.interface.stop(self._still)
            self.controllers.arm_output.send(setpoint, self.get_clock().now().nanoseconds)

    def _send_gripper(self, opening: float) -> None:
        setpoint = self.controllers.gripper.toward(opening)
        if setpoint is not None:
            self.controllers.gripper_output.send(setpoint, self.get_clock().now().nanoseconds)

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(), "safety": self.safety.state, "shadow": self.settings.shadow,
            "command_age_ms_p50": self._age.p50, "command_age_ms_p95": self._age.p95, "mode": self.settings.mode,
            "stopped_by": self.safety.stopped_by,
        }  # fmt: skip


def main(args: list[str] | None = None) -> int:
    return run(ArmNode, args)


if __name__ == "__main__":
    sys.exit(main())
