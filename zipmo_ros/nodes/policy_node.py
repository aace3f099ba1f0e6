"""Motion embeddings (or images and an instruction) and joint states in, commands out."""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Policy
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import EPISODE_BREAK_NS, nearest_step
from zipmo_ros.nodes.cameras import Cameras
from zipmo_ros.nodes.diagnostics import ERROR, WARN, Rate
from zipmo_ros.nodes.graph import POLICY
from zipmo_ros.nodes.instruction import Instruction
from zipmo_ros.nodes.managed import ManagedNode, run
from zipmo_ros.nodes.models import make_policy
from zipmo_ros.nodes.settings import PolicyParameters
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.ensembling import TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.watchdog import Watchdog

JOINT_HISTORY = 64  # joint states kept, to find the one that a plan was made at
IMAGE_HISTORY = 8  # sets of images kept, for plans and policies that need those of their stamp
WATCH_PERIOD = 0.05  # s
WAITING_IS_LONG = 2.0  # s


class PolicyNode(ManagedNode):
    """Acts on every joint state, from the chunks of actions that it holds.

    A chunk is made of a plan, or for a policy that needs none of images. Lockstep: a command leaves once the newest
    chunk is younger than replan_every steps. Realtime: a command leaves at once; when chunks or joint states are too
    old it is a stop, and the reason is said.
    """

    entry = POLICY
    schema = PolicyParameters

    def __init__(self, load: Callable[[PolicyParameters], tuple[Policy, str]] = make_policy, **options: Any):
        self._load_policy = load
        self._policy: Policy | None = None
        self._hash: str | None = None
        self._joints: OrderedDict[int, np.ndarray] = OrderedDict()
        self._hands: OrderedDict[int, np.ndarray] = OrderedDict()  # measured poses
        self._held: np.ndarray | None = None  # where a stopped hand is kept
        self._images: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        self._info: String | None = None
        self._unread: Image | None = None  # an embedding that came before its info
        self._wanted: tuple[int, MotionPlan | None] | None = None  # what a chunk is still to be made of, and its stamp
        self._due: int | None = None  # stamp of the observation that still wants a command
        self._began_ns = 0  # stamp of the episode's first joint state
        self._generation = 0  # of the time line: what was computed before a reset is dropped after it
        self._acted_in = -1  # the generation that the policy knows of; the worker's own
        self._blind = False  # joint states have stopped, and so has the arm
        self._due_since = 0.0
        self._latency, self._age, self._rate, self._drops = LatencyWindow(), LatencyWindow(), Rate(), 0
        super().__init__(**options)
        self._robot = load_robot(self.settings.robot)
        self._gripper = self._robot.gripper_open_m
        ensemble = TemporalEnsemble(mode=self.settings.ensemble)
        self._horizon = Horizon(ensemble, self.settings.replan_every, self._robot)
        self._joints_watchdog = Watchdog(topics.JOINT_STATES, self.settings.joint_timeout)
        self._plans_watchdog = Watchdog(topics.MOTION_EMBEDDING, self.settings.plan_timeout)
        self._pose = self.create_lifecycle_publisher(PoseStamped, topics.POSE, topics.COMMAND)
        self._opening = self.create_lifecycle_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)
        self._instruction = Instruction(self)
        self._cameras: Cameras | None = None  # of a policy that looks, or while plans are tracks alone
        self.subscribe(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR)
        self.subscribe(PoseStamped, topics.CURRENT_POSE, self._on_hand, topics.SENSOR)
        self.subscribe(Image, topics.MOTION_EMBEDDING, self._on_plan, topics.PLAN_REQUESTED)
        self.create_subscription(String, topics.PLAN_INFO, self._on_info, topics.LATCHED)
        self.create_timer(WATCH_PERIOD, self._watch, clock=self.steady)

    def load(self) -> None:
        try:
            self._policy, self._hash = self._load_policy(self.settings)
            self._check(self.settings.replan_every)
        except Exception as error:
            self.unload()
            raise RuntimeError(f"checkpoint {self.settings.checkpoint or 'the shipped one'}: {error}") from error
        if self.policy.spec.plan is None:
            self._plans_watchdog.name = topics.image_topic(self._robot.views[0], self.settings.image_transport)

    def _check(self, replan_every: int) -> None:
        spec, robot = self.policy.spec, self._robot
        if replan_every > spec.chunk:
            raise ValueError(f"replan_every is {replan_every} steps, and a chunk of actions has {spec.chunk}")
        if spec.proprio not in (0, len(robot.proprio_names)):
            raise ValueError(f"it reads {spec.proprio} numbers of proprioception, {robot.name} has "
                             f"{len(robot.proprio_names)}")  # fmt: skip

    @property
    def policy(self) -> Policy:
        """There from `load` to `unload`."""
        assert self._policy is not None
        return self._policy

    def unload(self) -> None:
        self._policy = self._hash = None

    def begin(self) -> None:
        self._reset()
        self._joints.clear()
        self._joints_watchdog.reset()
        if self.policy.spec.views:
            self._look()
        self._instruction.acknowledge()

    def _look(self) -> None:
        if self._cameras is None:
            self._cameras = Cameras(self, self._robot, self.settings.image_transport, self._on_images)
        self._cameras.size = self.policy.spec.image_size
        self._cameras.reset()

    def end(self) -> None:
        if self._joints and self.settings.mode == "realtime":
            self._hold(next(reversed(self._joints)))

    def _take_settings(self, settings: PolicyParameters) -> None:
        super()._take_settings(settings)
        self._horizon.replan_every = settings.replan_every
        self._joints_watchdog.timeout = settings.joint_timeout
        self._plans_watchdog.timeout = settings.plan_timeout

    def _reset(self) -> None:
        """Time starts again: forget what belongs to the old time line."""
        self._forget_chunks()
        self._images.clear()
        self._wanted = self._due = None

    def _forget_chunks(self) -> None:
        self._generation += 1
        self._horizon.reset()

    def _on_joints(self, message: JointState) -> None:
        stamp_ns = messages.to_ns(message.header.stamp)
        proprio = messages.read_proprio(message, self._robot.proprio_names)
        newest = next(reversed(self._joints), None)
        if newest is not None and stamp_ns < newest:
            self._say_went_back(topics.JOINT_STATES, newest, stamp_ns)
            self._joints.clear()
            if self._horizon.stamp_ns is not None and self._horizon.stamp_ns > stamp_ns:
                self._reset()
        elif newest is not None and stamp_ns - newest > EPISODE_BREAK_NS:
            self._joints.clear()
            self._forget_chunks()  # not _wanted: a plan of the new episode may have come first
        if not self._joints:
            self._began_ns = stamp_ns
        self._joints[stamp_ns] = proprio
        while len(self._joints) > JOINT_HISTORY:
            self._joints.popitem(last=False)
        self._joints_watchdog.feed()
        if self._due != stamp_ns:
            self._due, self._due_since = stamp_ns, time.monotonic()
        self._make_chunk()
        self._act()

    def _on_hand(self, message: PoseStamped) -> None:
        self._hands[messages.to_ns(message.header.stamp)] = messages.read_pose(message, self._robot)
        while len(self._hands) > JOINT_HISTORY:
            self._hands.popitem(last=False)
        self._act()

    def _on_images(self, stamp_ns: int, images: dict[str, np.ndarray]) -> None:
        self._images[stamp_ns] = images
        while len(self._images) > IMAGE_HISTORY:
            self._images.popitem(last=False)
        if self.policy.spec.plan is None and self._instruction.wanted():
            self._want(stamp_ns, None, self._plans_watchdog.name)
        self._make_chunk()

    def _on_info(self, message: String) -> None:
        self._info = message
        embedding, self._unread = self._unread, None
        if embedding is not None and self.active:
            self._on_plan(embedding)

    def _on_plan(self, message: Image) -> None:
        spec = self.policy.spec
        if spec.plan is None:
            return
        if self._info is None:
            self._unread = message
            return
        try:
            plan = messages.read_plan(message, self._info)
        except ValueError as error:
            self.report.event(f"{topics.MOTION_EMBEDDING}: {error}; message dropped")
            return
        problem = spec.misfit(plan.spec)
        self.report.problem("plan", problem)
        if problem is None:
            if spec.must_encode(plan.spec) and self._cameras is None:
                self._look()
            self._want(plan.stamp_ns, plan, topics.MOTION_EMBEDDING)
            self._make_chunk()

    def _want(self, stamp_ns: int, plan: MotionPlan | None, topic: str) -> None:
        """Have a chunk made of what came with this stamp, if one is due."""
        self._plans_watchdog.feed()
        newest = self._wanted[0] if self._wanted else self._horizon.stamp_ns
        if newest is not None and stamp_ns < newest:
            self._say_went_back(topic, newest, stamp_ns)
            self._reset()
        if not self._horizon.due(stamp_ns):
            self._drops += stamp_ns != self._horizon.stamp_ns  # the same again is an answer to a question repeated
            return
        self._wanted = stamp_ns, plan

    def _say_went_back(self, topic: str, before: int, after: int) -> None:
        times = f"from {before / 1e9:.2f} s to {after / 1e9:.2f} s"
        self.report.event(f"{topic}: stamps went back {times}; starting afresh")

    def _make_chunk(self) -> None:
        """Give the policy what was wanted, with the joint state of its own stamp, or the nearest one.

        The nearest is taken only once time has passed that stamp, when the exact one can no longer come.
        """
        if (
            not self.active
            or self._wanted is None
            or not self._joints
            or next(reversed(self._joints)) < self._wanted[0]
        ):
            return
        stamp_ns, plan = self._wanted
        spec = self.policy.spec
        looks = bool(spec.views) or spec.must_encode(None if plan is None else plan.spec)
        if looks and stamp_ns not in self._images:
            return
        self._wanted = None
        nearest = min(self._joints, key=lambda joint_ns: abs(joint_ns - stamp_ns))
        step = nearest_step(max(0, stamp_ns - self._began_ns), self._robot.period_ns)
        images = self._images[stamp_ns] if looks else {}
        goal = self._instruction.sentence if plan is None else plan.goal
        assert goal is not None  # without an instruction no images are wanted
        self._infer(Observation(stamp_ns, step, images, self._joints[nearest]), goal, plan)

    def _infer(self, observation: Observation, goal: Goal, plan: MotionPlan | None) -> None:
        generation, stamp_ns = self._generation, observation.stamp_ns

        def infer() -> tuple[np.ndarray, float]:
            began = time.perf_counter()
            if generation != self._acted_in:
                self.policy.reset()
                self._acted_in = generation
            chunk = np.asarray(self.policy.act(observation, goal, plan), np.float64)
            if not np.isfinite(chunk).all():
                raise ValueError("its actions are not finite")
            return chunk, 1e3 * (time.perf_counter() - began)

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

        self._drops += self.submit(infer, add, failed)

    def _act(self) -> None:
        """Answer the newest joint state, if it can be answered by now."""
        if self._due is None or self._due not in self._hands:
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
            command = self._horizon.command(stamp_ns, self._hands[stamp_ns])
        except LookupError as error:
            self._stop(str(error))
            return
        self.report.problem("arm", None)
        self._held = None
        if (age := self._horizon.age_ns(stamp_ns)) is not None:
            self._age.add(age / 1e6)
        self._rate.tick()
        self._send(command, stamp_ns)

    def _plan_problem(self, stamp_ns: int) -> str | None:
        """Why the chunks held can't be used at `stamp_ns`: too old by their stamps, or silence by a steady clock."""
        age = self._horizon.age_ns(stamp_ns)
        limit = self.settings.plan_timeout
        text: str | None
        if age is None:
            text = "no plan yet"
        elif age > limit * 1e9:
            text = f"the newest plan is {age / 1e9:.2f} s old (limit {limit:.2f} s)"
        elif (text := self._plans_watchdog.problem()) is None:
            return None
        topic = self.resolve_topic_name(self._plans_watchdog.name)
        return text if self.count_publishers(topic) else f"{text}; no node publishes {topic}"

    def _stop(self, reason: str) -> None:
        """Stop the arm for the newest joint state and say why; an arm that has not yet begun is no error."""
        self._due = None
        level = WARN if self._horizon.stamp_ns is None else ERROR
        self.report.problem("arm", f"arm stopped: {reason}", level)
        self._hold(next(reversed(self._joints)))

    def _hold(self, stamp_ns: int) -> None:
        """Keep the hand where it is, from the first time on."""
        if self._held is None and self._hands:
            self._held = next(reversed(self._hands.values()))
        if self._held is not None:
            self._send(Command(self._held, self._gripper), stamp_ns)

    def _send(self, command: Command, stamp_ns: int) -> None:
        self._gripper = command.gripper
        pose, opening = messages.command_messages(command, stamp_ns, self._robot)
        self._pose.publish(pose)
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
        due = self._due if self.settings.mode == "lockstep" else None
        text = None
        if due is not None and time.monotonic() - self._due_since > WAITING_IS_LONG:
            age = self._horizon.age_ns(due)
            held = "none is held" if age is None else f"the newest is {age / 1e9:.2f} s old"
            text = f"the observation at {due / 1e9:.2f} s waits for a plan; {held}"
        self.report.problem("waiting", text, WARN)

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(), "drops": self._drops,
            "inference_ms_p50": self._latency.p50, "inference_ms_p95": self._latency.p95,
            "plan_age_ms_p50": self._age.p50, "plan_age_ms_p95": self._age.p95,
            "device": self.settings.device,
            "policy": self._policy and self._policy.spec.name,
            "checkpoint": self.settings.checkpoint,
            "checkpoint_hash": self._hash,
            "mode": self.settings.mode,
        }  # fmt: skip


def main(args: list[str] | None = None) -> int:
    return run(PolicyNode, args)


if __name__ == "__main__":
    sys.exit(main())
