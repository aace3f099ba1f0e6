"""Motion embeddings (or images and an instruction), joint states and poses of the hand in, commands out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.protocols import Policy
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import EPISODE_BREAK_NS, goes_on, nearest_step
from zipmo_ros.nodes.chunks import Chunks
from zipmo_ros.nodes.diagnostics import WARN, Rate
from zipmo_ros.nodes.graph import POLICY
from zipmo_ros.nodes.guard import Guard
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.models import make_policy
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import PolicyParameters
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.history import History
from zipmo_ros.runtime.horizons import make_horizon
from zipmo_ros.runtime.joints import JointStates
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.safety import Safety
from zipmo_ros.runtime.sense import Sense
from zipmo_ros.runtime.standstill import HAND_MOVED, JOINTS_MOVED

KEPT_NS = 2 * 10**9  # past of joints and hand, to find the state that a plan was made at
WATCH_PERIOD = 0.05  # s
WAITING_IS_LONG = 2.0  # s


class PolicyNode(ManagedNode):
    """Answers every control step's joint state with a command, from the chunks of actions that it holds.

    Lockstep, for a simulator that says that it waits: a command leaves once the newest chunk is younger than
    replan_every steps. Realtime: a command leaves at once; when chunks, joint states or poses are too old the hand is
    held where it is, the reason is said, and nothing moves until somebody re-arms it (safety).
    """

    entry = POLICY
    schema = PolicyParameters

    def __init__(self, load: Callable[[PolicyParameters], tuple[Policy, str]] = make_policy, **options: Any):
        self._load_policy = load
        self._policy: Policy | None = None
        self._hash: str | None = None
        self._joints: History[np.ndarray] = History(KEPT_NS)
        self._hands: History[np.ndarray] = History(KEPT_NS)  # measured poses
        self._waits = False  # the source of observations says that it waits for commands
        self._due: int | None = None  # stamp of the observation that still wants a command
        self._due_since = 0.0
        self._answered: int | None = None  # control step of the newest command, since the episode began
        self._age, self._rate = LatencyWindow(), Rate()
        super().__init__(**options)
        self._robot = load_robot(self.settings.robot)
        self.safety = Safety(self._robot, automatic=self.settings.automatic)
        self._parts = JointStates(self._robot.proprio_names, self._robot.period_ns)
        moved = {topics.JOINT_STATES: HAND_MOVED, topics.CURRENT_POSE: JOINTS_MOVED}
        self._felt = {t: Sense(t, self.settings.joint_timeout, moved[t], self._now_ns) for t in moved}
        self._pose = self.create_lifecycle_publisher(PoseStamped, topics.POSE, topics.OFFERED)
        self._opening = self.create_lifecycle_publisher(JointTrajectory, topics.GRIPPER, topics.OFFERED)
        self._stopped = self.create_lifecycle_publisher(String, topics.STOP, topics.OFFERED)
        self._told = False  # that the arm is stopped
        settings = self.settings
        horizon = make_horizon(settings.execution, settings.ensemble, settings.replan_every, self._robot)
        self._chunks = Chunks(self, self._robot, self.settings.image_transport, self._joints, horizon,
                              self._check_chunk, self._act)  # fmt: skip
        self._chunks.watchdog.timeout = self.settings.plan_timeout
        self._guard = Guard(self, self.safety, self._hold, self.settings.deadman_timeout)
        wanted = set(self._robot.proprio_names)
        self.subscribe(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR_PARTS,
                       claims=lambda message: wanted.intersection(message.name))  # fmt: skip
        self.subscribe(PoseStamped, topics.CURRENT_POSE, self._on_hand, topics.SENSOR)
        self.create_subscription(String, topics.EPISODE, self._on_episode, topics.LATCHED)
        self.create_timer(WATCH_PERIOD, self._watch, clock=self.steady)

    def load(self) -> None:
        try:
            self._policy, self._hash = self._load_policy(self.settings)
            self._check(self._policy)
        except Exception as error:
            self.unload()
            raise RuntimeError(f"checkpoint {self.settings.checkpoint or 'the shipped one'}: {error}") from error

    def _check(self, policy: Policy) -> None:
        spec, robot = policy.spec, self._robot
        if self.settings.replan_every > spec.chunk:
            raise ValueError(
                f"replan_every is {self.settings.replan_every} steps, and a chunk of actions has {spec.chunk}"
            )
        if spec.proprio not in (0, len(robot.proprio_names)):
            raise ValueError(f"it reads {spec.proprio} numbers of proprioception, {robot.name} has "
                             f"{len(robot.proprio_names)}")  # fmt: skip

    def unload(self) -> None:
        self._policy = self._hash = None

    def begin(self) -> None:
        assert self._policy is not None
        self._joints.clear()
        self._hands.clear()
        self._parts.reset()
        for sense in self._felt.values():
            sense.reset()
        self._due = self._answered = None
        self.safety.reset()
        self._chunks.begin(self._policy)

    def end(self) -> None:
        self.safety.trip("inactive", "the policy was deactivated")
        self._hold()
        self.safety.over("inactive")

    def _take_settings(self, settings: PolicyParameters) -> None:
        super()._take_settings(settings)
        self._chunks.horizon.replan_every = settings.replan_every
        self._chunks.watchdog.timeout = settings.plan_timeout
        for sense in self._felt.values():
            sense.timeout = settings.joint_timeout

    @property
    def _realtime(self) -> bool:
        return self.settings.mode == "realtime"

    def _on_episode(self, message: String) -> None:
        self._waits = bool(json.loads(message.data).get("waits"))

    def _on_joints(self, message: JointState) -> None:
        whole = self._parts.add(messages.to_ns(message.header.stamp), message.name, message.position)
        if whole is not None:
            self._take_joints(whole.stamp_ns, whole.positions)

    def _take_joints(self, stamp_ns: int, proprio: np.ndarray) -> None:
        newest = self._joints.newest_ns
        if newest is not None and not goes_on(newest, stamp_ns):
            self._begin_anew(newest, stamp_ns)
            newest = None
        if newest is None:
            self._chunks.began_ns = stamp_ns
        self._joints.add(stamp_ns, proprio)
        self.safety.gripper_seen(self._robot.opening(proprio))
        self._felt[topics.JOINT_STATES].feel(stamp_ns, proprio[: len(self._robot.joints)], self._hands.newest)
        self._chunks.make()
        if self._realtime and self._step(stamp_ns) == self._answered:
            return  # joint states may come faster than control steps
        if self._due != stamp_ns:
            self._due, self._due_since = stamp_ns, time.monotonic()
        self._act()

    def _begin_anew(self, before: int, after: int) -> None:
        """Time has leapt: another episode in simulation, and nothing to trust on a robot."""
        leap = f"stamps went back from {before / 1e9:.2f} s to {after / 1e9:.2f} s"
        if after > before:
            leap = f"stamps leapt from {before / 1e9:.2f} s to {after / 1e9:.2f} s"
        else:
            self.report.event(f"{topics.JOINT_STATES}: {leap}; starting afresh")
        self._joints.clear()
        self._hands.clear()
        self._answered = None
        held = self._chunks.horizon.stamp_ns
        if after < before and held is not None and held > after:
            self._chunks.reset()
        else:
            self._chunks.forget()  # not what is wanted: a plan of the new episode may have come first
        if self._realtime:
            self.safety.trip("backward stamp", f"{topics.JOINT_STATES}: {leap}")
            self.safety.over("backward stamp")
        if not self._realtime or self.safety.armed:
            self.safety.reset()
        else:
            self.safety.forget()  # or the arm would be told to go back to where it was held before
        self._guard.report()

    def _on_hand(self, message: PoseStamped) -> None:
        stamp_ns = messages.to_ns(message.header.stamp)
        pose = messages.read_pose(message, self._robot)
        proprio = self._joints.newest
        joints = None if proprio is None else proprio[: len(self._robot.joints)]
        self._felt[topics.CURRENT_POSE].feel(stamp_ns, pose, joints)
        if self._realtime:
            self.safety.hand_seen(pose)
        self._hands.add_or_restart(stamp_ns, pose)
        self._chunks.horizon.feel(stamp_ns, pose)
        self._act()

    def _step(self, stamp_ns: int) -> int:
        return nearest_step(stamp_ns - self._chunks.began_ns, self._robot.period_ns)

    def _hand_at(self, stamp_ns: int) -> np.ndarray | None:
        """The pose measured then: of that very stamp where the source waits, else the nearest within a control step."""
        return self._hands.nearest(stamp_ns, self._robot.period_ns if self._realtime else 0)

    def _check_chunk(self, chunk: np.ndarray) -> bool:
        """Whether it may be executed; it is looked at whole, before any of it is."""
        problem = self.safety.check_chunk(chunk)
        if problem is not None:
            self._stop("chunk", problem)
        else:
            self.safety.over("chunk")
        return problem is None

    def _act(self) -> None:
        """Answer the newest joint state, if it can be answered by now."""
        if self._due is None or (hand := self._hand_at(self._due)) is None:
            return
        stamp_ns = self._due
        horizon = self._chunks.horizon
        self._chunks.heed_instruction()
        if not self._realtime and (not self._waits or (self.safety.armed and self._lacks_plan(stamp_ns))):
            return  # its plan is still to come
        self._due, self._answered = None, self._step(stamp_ns)
        command = None
        if horizon.stamp_ns is not None:
            self._check_plan_age(stamp_ns)
            try:
                command = horizon.command(stamp_ns, hand)
            except LookupError as error:
                self.safety.trip("stale plan", str(error))
        if command is None:
            why = "no plan yet" if horizon.stamp_ns is None else "its chunks of actions have run out"
            why = f"'{self._chunks.goal}' was not understood" if horizon.holds else why
            self.report.problem("arm", f"it is held: {why}" if self.safety.armed else None, WARN)
        else:
            self.report.problem("arm", None)
            self._age.add((horizon.age_ns(stamp_ns) or 0) / 1e6)
        proprio = self._joints.at(stamp_ns)
        joints = None if proprio is None else proprio[: len(self._robot.joints)]
        self._send(self.safety.allow(command, hand, joints, stamp_ns), stamp_ns)
        self._guard.report()
        self._rate.tick()

    def _lacks_plan(self, stamp_ns: int) -> bool:
        age = self._chunks.horizon.age_ns(stamp_ns)
        most = self.settings.plan_age or self.settings.replan_every
        return age is None or age >= most * self._robot.period_ns

    def _check_plan_age(self, stamp_ns: int) -> None:
        """Trip where the newest plan is too old by its stamp, or nothing new has come by a steady clock."""
        if not self._realtime:
            return
        age, limit = self._chunks.horizon.age_ns(stamp_ns) or 0, self.settings.plan_timeout
        text = f"the newest plan is {age / 1e9:.2f} s old (limit {limit:.2f} s)" if age > limit * 1e9 else None
        text = text or self._chunks.watchdog.problem()
        if text is None:
            self.safety.over("stale plan")
            return
        topic = self.resolve_topic_name(self._chunks.watchdog.name)
        self.safety.trip("stale plan", text if self.count_publishers(topic) else f"{text}; no node publishes {topic}")

    def _stop(self, cause: str, text: str) -> None:
        self.safety.trip(cause, text)
        self._hold()

    def _hold(self) -> None:
        """Have a stopped arm stay where it is, at once and whatever else is missing."""
        stamp_ns = self._joints.newest_ns
        if stamp_ns is not None and self._realtime:
            self._send(self.safety.hold(), stamp_ns)
        self._guard.report()

    def _send(self, command: Command | None, stamp_ns: int) -> None:
        stopped = self._realtime and not self.safety.resumes  # whose latch would be another one
        if stopped and not self._told:
            self._stopped.publish(String(data=self.safety.reason))
        self._told = stopped
        if command is None:
            return  # no pose was measured yet
        pose, opening = messages.command_messages(command, stamp_ns, self._robot)
        self._pose.publish(pose)
        self._opening.publish(opening)

    def _watch(self) -> None:
        """Stop an arm that is no longer felt. On a steady clock: simulated time may stand still, too."""
        if not self.active:
            return
        self._guard.check()
        newest = self._joints.newest_ns
        if not self._realtime or newest is None:
            return
        if self._chunks.horizon.stamp_ns is not None:
            before = self.safety.armed
            self._check_plan_age(newest)
            if before and not self.safety.armed:
                self._hold()
        found: dict[str, str] = {}
        for cause, text in filter(None, map(self._problem_of, self._felt.values())):
            found[cause] = f"{found[cause]}; {text}" if cause in found else text
        if rivals := self.rivals():
            found["two publishers"] = rivals
        for cause in ("stale observation", "future stamp", "frozen content", "two publishers"):
            if cause not in found:
                self.safety.over(cause)
            elif cause not in self.safety.causes:
                self._stop(cause, found[cause])

    def _problem_of(self, felt: Sense) -> tuple[str, str] | None:
        """(cause, text) of what is wrong with an input. Stamps that are seconds off are of another clock than ours."""
        problem, age, limit = felt.problem(), felt.age, felt.timeout
        if problem is None and age is not None and limit < age < EPISODE_BREAK_NS / 1e9:
            return felt.cause, f"{felt.name} is {age:.2f} s old by its stamp (limit {limit:.2f} s)"
        return None if problem is not None and problem[0] == "backward stamp" else problem

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def check(self) -> None:
        """What waits in silence: say what for."""
        self._chunks.check()
        self.report.problem("waiting", self._waiting(), WARN)

    def _waiting(self) -> str | None:
        if self._joints.newest_ns is None:
            topic = self.resolve_topic_name(topics.JOINT_STATES)
            return f"no joint states on {topic}: {self._parts.problem()}"
        if self._hands.newest is None:
            return f"nothing heard on {self.resolve_topic_name(topics.CURRENT_POSE)} yet: the hand's pose is not known"
        if self._due is None or time.monotonic() - self._due_since < WAITING_IS_LONG:
            return None
        at = f"the observation at {self._due / 1e9:.2f} s"
        if self._hand_at(self._due) is None:
            newest = (self._hands.newest_ns or 0) / 1e9
            return f"{at} waits for the hand's pose of then; the newest one is of {newest:.2f} s"
        if not self._realtime and not self._waits:
            return f"mode is lockstep, and nobody says on {topics.EPISODE} that he waits: a robot needs mode=realtime"
        age = self._chunks.horizon.age_ns(self._due)
        held = "none is held" if age is None else f"the newest is {age / 1e9:.2f} s old"
        return f"{at} waits for a plan; {held}"

    def values(self) -> dict:
        chunks, sentence = self._chunks, self._chunks.instruction.sentence
        return {
            "rate_hz": self._rate.read(), "drops": chunks.drops,
            "inference_ms_p50": chunks.latency.p50, "inference_ms_p95": chunks.latency.p95,
            "plan_age_ms_p50": self._age.p50, "plan_age_ms_p95": self._age.p95,
            "safety": self.safety.state, "stopped_by": self.safety.stopped_by,
            **chunks.values(),
            "device": self.settings.device,
            "policy": self._policy and self._policy.spec.name,
            "checkpoint": self.settings.checkpoint,
            "checkpoint_hash": self._hash,
            "mode": self.settings.mode,
            "instruction": sentence and sentence.text,
        }  # fmt: skip


def main(args: list[str] | None = None) -> int:
    return run(PolicyNode, args)


if __name__ == "__main__":
    sys.exit(main())
