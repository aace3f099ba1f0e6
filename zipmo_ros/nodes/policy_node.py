"""Motion embeddings and joint states in, commands out."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.nodes.diagnostics import ERROR, WARN, Rate
from zipmo_ros.nodes.managed import ManagedNode, run
from zipmo_ros.nodes.models import Policy, load_policy
from zipmo_ros.nodes.settings import PolicyParameters
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics
from zipmo_ros.runtime.commands import GRIPPER_OPEN, Command, stop_command
from zipmo_ros.runtime.ensembling import TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.watchdog import Watchdog

JOINT_HISTORY = 64  # joint states kept, to find the one that a plan was made at
WATCH_PERIOD = 0.05  # s
WAITING_IS_LONG = 2.0  # s
EPISODE_BREAK_NS = 10**10  # a leap of time over which another episode began; an outage of the arm is shorter


class PolicyNode(ManagedNode):
    """Acts on every joint state, from the plans that it holds.

    Lockstep: a command leaves once the newest plan is younger than replan_every steps. Realtime: a command leaves at
    once; when the plans or the joint states are too old it is a stop, and the reason is said.
    """

    schema = PolicyParameters

    def __init__(self, load: Callable[[str, str, int], tuple[Policy, str]] = load_policy, **options: Any):
        self._load_policy = load
        self._policy: Policy | None = None
        self._hash: str | None = None
        self._joints: OrderedDict[int, np.ndarray] = OrderedDict()
        self._unpaired: tuple[int, np.ndarray] | None = None  # a plan that waits for its joint state
        self._due: int | None = None  # stamp of the observation that still wants a command
        self._generation = 0  # of the time line: what was computed before a reset is dropped after it
        self._gripper = GRIPPER_OPEN
        self._blind = False  # joint states have stopped, and so has the arm
        self._due_since = 0.0
        self._latency, self._age, self._rate, self._drops = LatencyWindow(), LatencyWindow(), Rate(), 0
        super().__init__("policy", **options)
        self._horizon = Horizon(TemporalEnsemble(mode=self.settings.ensemble), self.settings.replan_every)
        self._joints_watchdog = Watchdog(topics.JOINT_STATES, self.settings.joint_timeout)
        self._plans_watchdog = Watchdog(topics.MOTION_EMBEDDING, self.settings.plan_timeout)
        self._twist = self.create_lifecycle_publisher(TwistStamped, topics.TWIST, topics.COMMAND)
        self._opening = self.create_lifecycle_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)
        self.subscribe(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR)
        self.subscribe(Image, topics.MOTION_EMBEDDING, self._on_plan, topics.PLAN_REQUESTED)
        self.create_timer(WATCH_PERIOD, self._watch, clock=self.steady)

    def load(self) -> None:
        directory = self.settings.checkpoint
        try:
            self._policy, self._hash = self._load_policy(directory, self.settings.device, self.settings.threads)
        except Exception as error:
            raise RuntimeError(f"checkpoint {directory or 'the shipped one'}: {error}") from error

    def unload(self) -> None:
        self._policy = self._hash = None

    def begin(self) -> None:
        self._reset()
        self._joints.clear()
        self._joints_watchdog.reset()

    def end(self) -> None:
        if self._joints and self.settings.mode == "realtime":
            self._send(stop_command(self._gripper), next(reversed(self._joints)))

    def _take_settings(self, settings: PolicyParameters) -> None:
        super()._take_settings(settings)
        self._horizon.replan_every = settings.replan_every
        self._joints_watchdog.timeout = settings.joint_timeout
        self._plans_watchdog.timeout = settings.plan_timeout

    def _reset(self) -> None:
        """Time starts again: forget what belongs to the old time line."""
        self._generation += 1
        self._horizon.reset()
        self._unpaired = self._due = None

    def _on_joints(self, message: JointState) -> None:
        stamp_ns = convert.to_ns(message.header.stamp)
        proprio = convert.read_proprio(message, self.settings.joint_names)
        newest = next(reversed(self._joints), None)
        if newest is not None and stamp_ns < newest:
            self._say_went_back(topics.JOINT_STATES, newest, stamp_ns)
            self._joints.clear()
            if self._horizon.stamp_ns is not None and self._horizon.stamp_ns > stamp_ns:
                self._reset()
        elif newest is not None and stamp_ns - newest > EPISODE_BREAK_NS:
            self._joints.clear()
            self._generation += 1
            self._horizon.reset()  # not _unpaired: a plan of the new episode may have come first
        self._joints[stamp_ns] = proprio
        while len(self._joints) > JOINT_HISTORY:
            self._joints.popitem(last=False)
        self._joints_watchdog.feed()
        if self._due != stamp_ns:
            self._due, self._due_since = stamp_ns, time.monotonic()
        self._pair()
        self._act()

    def _on_plan(self, message: Image) -> None:
        stamp_ns = convert.to_ns(message.header.stamp)
        z = convert.read_embedding(message, views=len(topics.VIEWS))
        self._plans_watchdog.feed()
        newest = self._unpaired[0] if self._unpaired else self._horizon.stamp_ns
        if newest is not None and stamp_ns < newest:
            self._say_went_back(topics.MOTION_EMBEDDING, newest, stamp_ns)
            self._reset()
        if not self._horizon.due(stamp_ns):
            self._drops += stamp_ns != self._horizon.stamp_ns  # the same plan again is an answer to a question repeated
            return
        self._unpaired = stamp_ns, z
        self._pair()

    def _say_went_back(self, topic: str, before: int, after: int) -> None:
        times = f"from {before / 1e9:.2f} s to {after / 1e9:.2f} s"
        self.report.event(f"{topic}: stamps went back {times}; starting afresh")

    def _pair(self) -> None:
        """Give the waiting plan to the policy with the joint state of the plan's own stamp, or the nearest one.

        The nearest is taken only once time has passed that stamp, when the exact one can no longer come.
        """
        if self._unpaired is None or not self._joints:
            return
        stamp_ns, z = self._unpaired
        if next(reversed(self._joints)) < stamp_ns:
            return
        proprio = self._joints[min(self._joints, key=lambda joint_ns: abs(joint_ns - stamp_ns))]
        self._unpaired = None
        generation = self._generation

        def add(result: tuple[np.ndarray, float]) -> None:
            chunk, milliseconds = result
            self._latency.add(milliseconds)
            self.report.problem("policy", None)
            of_the_past = generation != self._generation or next(reversed(self._joints), -1) < stamp_ns
            if self.active and not of_the_past:  # time may have gone back meanwhile
                self._horizon.add(stamp_ns, chunk)
                self._act()

        def failed(error: Exception) -> None:
            self.report.problem("policy", f"the policy failed: {error}")

        self._drops += self.submit(lambda: self._infer(z, proprio), add, failed)

    def _infer(self, z: np.ndarray, proprio: np.ndarray) -> tuple[np.ndarray, float]:
        began = time.perf_counter()
        chunk = np.asarray(self._policy.act(z, proprio), np.float64)
        if not np.isfinite(chunk).all():
            raise ValueError("its actions are not finite")
        return chunk, 1e3 * (time.perf_counter() - began)

    def _act(self) -> None:
        """Answer the newest joint state, if it can be answered by now."""
        if self._due is None:
            return
        stamp_ns = self._due
        if self.settings.mode == "lockstep":
            if self._horizon.due(stamp_ns):
                return  # its plan is still to come
        elif (problem := self._plan_problem(stamp_ns)) is not None:
            self._stop(problem)
            return
        self._due = None
        try:
            command = self._horizon.command(stamp_ns)
        except LookupError as error:
            self._stop(str(error))
            return
        self.report.problem("arm", None)
        self._age.add(self._horizon.age_ns(stamp_ns) / 1e6)
        self._rate.tick()
        self._send(command, stamp_ns)

    def _plan_problem(self, stamp_ns: int) -> str | None:
        """Why the plans held can't be used at `stamp_ns`: too old by their stamps, or silence by a steady clock."""
        age = self._horizon.age_ns(stamp_ns)
        limit = self.settings.plan_timeout
        if age is None:
            text = "no plan yet"
        elif age > limit * 1e9:
            text = f"the newest plan is {age / 1e9:.2f} s old (limit {limit:.2f} s)"
        elif (text := self._plans_watchdog.problem()) is None:
            return None
        topic = self.resolve_topic_name(topics.MOTION_EMBEDDING)
        return text if self.count_publishers(topic) else f"{text}; no node publishes {topic}"

    def _stop(self, reason: str) -> None:
        """Stop the arm for the newest joint state and say why; an arm that has not yet begun is no error."""
        self._due = None
        level = WARN if self._horizon.stamp_ns is None else ERROR
        self.report.problem("arm", f"arm stopped: {reason}", level)
        self._send(stop_command(self._gripper), next(reversed(self._joints)))

    def _send(self, command: Command, stamp_ns: int) -> None:
        self._gripper = command.gripper
        twist, opening = convert.command_messages(command, stamp_ns)
        self._twist.publish(twist)
        self._opening.publish(opening)

    def _watch(self) -> None:
        """Stop an arm whose joint states no longer come. On a steady clock: simulated time may stand still, too."""
        if not self.active or self.settings.mode != "realtime" or not self._joints:
            return
        problem = self._joints_watchdog.problem()
        if problem is not None and not self._blind:
            self._stop(problem)
        self._blind = problem is not None

    def check(self) -> None:
        """In lockstep, waiting is silent on the wire: say what for."""
        waits = self.settings.mode == "lockstep" and self._due is not None
        text = None
        if waits and time.monotonic() - self._due_since > WAITING_IS_LONG:
            age = self._horizon.age_ns(self._due)
            held = "none is held" if age is None else f"the newest is {age / 1e9:.2f} s old"
            text = f"the observation at {self._due / 1e9:.2f} s waits for a plan; {held}"
        self.report.problem("waiting", text, WARN)

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(), "drops": self._drops,
            "inference_ms_p50": self._latency.p50, "inference_ms_p95": self._latency.p95,
            "plan_age_ms_p50": self._age.p50, "plan_age_ms_p95": self._age.p95,
            "device": self.settings.device,
            "checkpoint": self.settings.checkpoint,
            "checkpoint_hash": self._hash,
            "mode": self.settings.mode,
        }  # fmt: skip


def main(args: list[str] | None = None) -> int:
    return run(PolicyNode, args)


if __name__ == "__main__":
    sys.exit(main())
