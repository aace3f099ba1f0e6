"""Motion embeddings and joint states in, commands out."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import Image, JointState
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.nodes import convert, topics
from zipmo_ros.nodes.diagnostics import WARN, Rate
from zipmo_ros.nodes.managed import ManagedNode, run
from zipmo_ros.nodes.parameters import setting
from zipmo_ros.runtime.commands import GRIPPER_OPEN, Command, stop_command
from zipmo_ros.runtime.ensembling import TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.watchdog import Watchdog

JOINT_HISTORY = 64  # joint states kept, to find the one that a plan was made at
WATCH_PERIOD = 0.05  # s


class Policy(Protocol):
    """What turns a plan into actions: zipmo_policy.policy.Policy, or a stand-in."""

    def act(self, z: np.ndarray, proprio: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class PolicyParameters:
    checkpoint: str = setting("", "Directory of the checkpoint bundle (vae/, planner/, policy/)", read_only=True)
    device: str = setting("cpu", "Torch device of the policy, such as cpu or cuda", read_only=True)
    threads: int = setting(1, "Torch threads on the CPU; with 1, results repeat on every machine",
                           minimum=1, maximum=256, read_only=True)  # fmt: skip
    mode: str = setting("lockstep", "lockstep waits for the plan that a step is due; realtime never waits",
                        choices=("lockstep", "realtime"))  # fmt: skip
    replan_every: int = setting(4, "Control steps between two plans that are taken", minimum=1, maximum=16)
    ensemble: str = setting("intended", "How chunks that overlap are blended (official: with the published code's index)",
                            choices=("intended", "official"), read_only=True)  # fmt: skip
    plan_timeout: float = setting(0.4, "Realtime: age of the newest plan (s) at which the arm stops",
                                  minimum=0.05, maximum=10.0)  # fmt: skip
    joint_timeout: float = setting(0.4, "Realtime: silence of joint_states (s) at which the arm stops",
                                   minimum=0.05, maximum=10.0)  # fmt: skip
    joint_names: tuple[str, ...] = setting(convert.JOINT_NAMES, "The 7 arm joints and 2 fingers, in the policy's order",
                                           read_only=True)  # fmt: skip
    autostart: bool = setting(True, "Configure and activate without a lifecycle manager", read_only=True)


def load_policy(checkpoint: str, device: str, threads: int) -> tuple[Policy, str]:
    """The policy of a bundle and the hash of the bundle's content."""
    import torch
    from zipmo_policy.policy import Policy as TrainedPolicy

    from zipmo_ros.motion.checkpoint import content_hash

    torch.set_num_threads(threads)
    return TrainedPolicy.load(checkpoint, device=device), content_hash(checkpoint)


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
        self._latency, self._age, self._rate, self._drops = LatencyWindow(), LatencyWindow(), Rate(), 0
        super().__init__("policy", **options)
        self._horizon = Horizon(TemporalEnsemble(mode=self.settings.ensemble), self.settings.replan_every)
        self._watchdog = Watchdog(topics.JOINT_STATES, self.settings.joint_timeout)
        self._twist = self.create_lifecycle_publisher(TwistStamped, topics.TWIST, topics.COMMAND)
        self._opening = self.create_lifecycle_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)
        self.subscribe(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR)
        self.subscribe(Image, topics.MOTION_EMBEDDING, self._on_plan, topics.PLAN_REQUESTED)
        self.create_timer(WATCH_PERIOD, self._watch, clock=self.steady)

    # -- lifecycle -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        directory = self.settings.checkpoint
        if not directory:
            raise ValueError("parameter 'checkpoint' is empty; name the directory of a bundle")
        try:
            self._policy, self._hash = self._load_policy(directory, self.settings.device, self.settings.threads)
        except Exception as error:
            raise RuntimeError(f"checkpoint {directory}: {error}") from error

    def unload(self) -> None:
        self._policy = self._hash = None

    def begin(self) -> None:
        self._reset()
        self._joints.clear()
        self._watchdog.reset()

    def end(self) -> None:
        if self._joints and self.settings.mode == "realtime":
            self._send(stop_command(self._gripper), next(reversed(self._joints)))

    def _take_settings(self, settings: PolicyParameters) -> None:
        super()._take_settings(settings)
        self._horizon.replan_every = settings.replan_every
        self._watchdog.timeout = settings.joint_timeout

    def _reset(self) -> None:
        """Time starts again: forget what belongs to the old time line."""
        self._generation += 1
        self._horizon.reset()
        self._unpaired = self._due = None

    # -- inputs --------------------------------------------------------------------------------------------------

    def _on_joints(self, message: JointState) -> None:
        stamp_ns = convert.to_ns(message.header.stamp)
        proprio = convert.read_proprio(message, self.settings.joint_names)
        newest = next(reversed(self._joints), None)
        if newest is not None and stamp_ns < newest:
            self._say_went_back(topics.JOINT_STATES, newest, stamp_ns)
            self._joints.clear()
            if self._horizon.stamp_ns is not None and self._horizon.stamp_ns > stamp_ns:
                self._reset()
        self._joints[stamp_ns] = proprio
        while len(self._joints) > JOINT_HISTORY:
            self._joints.popitem(last=False)
        self._watchdog.feed()
        self._due = stamp_ns
        self._pair()
        self._act()

    def _on_plan(self, message: Image) -> None:
        stamp_ns = convert.to_ns(message.header.stamp)
        z = convert.read_embedding(message, views=len(topics.VIEWS))
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
        self.report.event(f"{topic}: stamps went back from {before / 1e9:.2f} s to {after / 1e9:.2f} s; starting afresh")

    # -- acting --------------------------------------------------------------------------------------------------

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

        def add(chunk: np.ndarray) -> None:
            if generation == self._generation and self.active:
                self.report.problem("policy", None)
                self._horizon.add(stamp_ns, chunk)
                self._act()

        self._drops += self.submit(lambda: self._infer(z, proprio), add,
                                   lambda error: self.report.problem("policy", f"the policy failed: {error}"))  # fmt: skip

    def _infer(self, z: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        began = self.steady.now()
        chunk = np.asarray(self._policy.act(z, proprio), np.float64)
        if not np.isfinite(chunk).all():
            raise ValueError("its actions are not finite")
        self._latency.add((self.steady.now() - began).nanoseconds / 1e6)
        return chunk

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
        """Why the plans held can't be used at `stamp_ns`."""
        age = self._horizon.age_ns(stamp_ns)
        limit = self.settings.plan_timeout
        if age is None:
            text = "no plan yet"
        elif age > limit * 1e9:
            text = f"the newest plan is {age / 1e9:.2f} s old (limit {limit:.2f} s)"
        else:
            return None
        return text if self.count_publishers(topics.MOTION_EMBEDDING) else f"{text}; no node publishes {topics.MOTION_EMBEDDING}"

    def _stop(self, reason: str) -> None:
        """Stop the arm for the newest joint state and say why."""
        self._due = None
        first = self._horizon.stamp_ns is None
        self.report.problem("arm", f"arm stopped: {reason}", WARN if first else None or b"\x02")
        self._send(stop_command(self._gripper), next(reversed(self._joints)))

    def _send(self, command: Command, stamp_ns: int) -> None:
        self._gripper = command.gripper
        twist, opening = convert.command_messages(command, stamp_ns)
        self._twist.publish(twist)
        self._opening.publish(opening)

    def _watch(self) -> None:
        """On a steady clock: what no message announces."""
        if not self.active or self.settings.mode != "realtime" or not self._joints:
            return
        problem = self._watchdog.problem()
        if problem is not None and self._due is None and self.report.problem("joints", f"arm stopped: {problem}"):
            self._send(stop_command(self._gripper), next(reversed(self._joints)))
