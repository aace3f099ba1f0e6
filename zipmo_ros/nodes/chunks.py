"""Chunks of actions, made of plans (or of images) and joint states in a node's worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import String

from zipmo_ros.contract.goal import Goal, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Policy
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import EPISODE_BREAK_NS, nearest_step
from zipmo_ros.nodes.cameras import Cameras
from zipmo_ros.nodes.diagnostics import WARN
from zipmo_ros.nodes.instruction import Instruction
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.history import History
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.watchdog import Watchdog

IMAGES_KEPT_NS = 10**9  # for plans and policies that need those of their stamp


class Chunks:
    """Has the policy act on every plan that is due, and gives the chunk to the horizon.

    A chunk of a policy that needs no plan is made of images. joints: past joint states, proprioception by stamp.
    check: whether a chunk [length, 7] may be executed. on_new: called once one was added.
    What belongs to another sentence than the one in use is not acted on.
    """

    def __init__(self, node: ManagedNode, robot: RobotSpec, transport: str, joints: History[np.ndarray],
                 horizon: Horizon, check: Callable[[np.ndarray], bool], on_new: Callable[[], None]):  # fmt: skip
        self._node, self._robot, self._transport, self._joints = node, robot, transport, joints
        self._check, self._on_new = check, on_new
        self.horizon = horizon
        self.instruction = Instruction(node)
        self.policy: Policy | None = None
        self.watchdog = Watchdog(topics.MOTION_EMBEDDING, 0.0)
        self.latency, self.drops = LatencyWindow(), 0
        self.goal: Goal | None = None  # of the chunks that are held
        self.began_ns = 0  # stamp of the episode's first joint state
        self._cameras: Cameras | None = None  # of a policy that looks, or while plans are tracks alone
        self._images: History[Mapping[str, np.ndarray]] = History(IMAGES_KEPT_NS)
        self._info: String | None = None
        self._unread: Image | None = None  # an embedding that came before its info
        self._wanted: tuple[int, MotionPlan | None] | None = None  # what a chunk is still to be made of, and its stamp
        self._generation = 0  # of the time line: what was computed before a reset is dropped after it
        self._acted_in = -1  # the generation that the policy knows of; the worker's own
        node.create_subscription(String, topics.PLAN_INFO, self._on_info, topics.LATCHED)
        node.subscribe(Image, topics.MOTION_EMBEDDING, self._on_plan, topics.PLAN_REQUESTED)

    def begin(self, policy: Policy) -> None:
        """Act with this policy from now on."""
        self.policy = policy
        self.watchdog.reset()
        self.reset()
        if policy.spec.plan is None:
            self.watchdog.name = topics.image_topic(self._robot.views[0], self._transport)
        if policy.spec.views:
            self._look(policy.spec.image_size)
        self.instruction.acknowledge()

    def reset(self) -> None:
        """Time starts again: forget what belongs to the old time line."""
        self.forget()
        self._images.clear()
        self._wanted = None

    def forget(self) -> None:
        """Forget the chunks, and those in the making."""
        self._generation += 1
        self.horizon.reset()
        self.goal = None

    def check(self) -> None:
        """Report what the cameras are like, where some are needed."""
        if self._cameras is not None:
            self._cameras.check()

    def values(self) -> dict[str, Any]:
        """Of the cameras, for /diagnostics."""
        return {} if self._cameras is None else self._cameras.values()

    def heed_instruction(self) -> None:
        """Drop the chunks that were made for another sentence than the one in use."""
        if self.goal is not None and not self._is_wanted(self.goal):
            self.forget()

    def _is_wanted(self, goal: Goal) -> bool:
        sentence = self.instruction.sentence
        return sentence is None or not isinstance(goal, Sentence) or goal == sentence

    def _look(self, size: int) -> None:
        if self._cameras is None:
            self._cameras = Cameras(self._node, self._robot, self._transport, self._on_images)
        self._cameras.size = size
        self._cameras.reset()

    def _on_images(self, stamp_ns: int, images: Mapping[str, np.ndarray]) -> None:
        assert self.policy is not None
        if self._images.newest_ns is not None and stamp_ns < self._images.newest_ns:
            self._images.clear()
        self._images.add(stamp_ns, images)
        if self.policy.spec.plan is None and self.instruction.wanted():
            self._want(stamp_ns, None, self.watchdog.name)
        self.make()

    def _on_info(self, message: String) -> None:
        self._info = message
        embedding, self._unread = self._unread, None
        if embedding is not None and self._node.active:
            self._on_plan(embedding)

    def _on_plan(self, message: Image) -> None:
        assert self.policy is not None
        spec = self.policy.spec
        if spec.plan is None:
            return
        if self._info is None:
            self._unread = message
            return
        plan = messages.read_plan(message, self._info)
        problem = spec.misfit(plan.spec)
        if problem is None and not self._is_wanted(plan.goal):
            self._node.report.problem("plan", f"plans are for {plan.goal}, the instruction is "
                                      f"{self.instruction.sentence}; they are not acted on", WARN)  # fmt: skip
            return
        self._node.report.problem("plan", problem)
        if problem is None:
            if spec.must_encode(plan.spec) and self._cameras is None:
                self._look(spec.image_size)
            self._want(plan.stamp_ns, plan, topics.MOTION_EMBEDDING)
            self.make()

    def _want(self, stamp_ns: int, plan: MotionPlan | None, topic: str) -> None:
        """Have a chunk made of what came with this stamp, if one is due."""
        newest = self._wanted[0] if self._wanted else self.horizon.stamp_ns
        if newest is None or stamp_ns != newest:  # the same again says nothing new
            self.watchdog.feed()
        if newest is not None and stamp_ns < newest:
            afresh = newest - stamp_ns > EPISODE_BREAK_NS
            self._node.report.event(f"{topic}: stamps went back from {newest / 1e9:.2f} s to {stamp_ns / 1e9:.2f} s; "
                                    f"{'starting afresh' if afresh else 'the older one is dropped'}")  # fmt: skip
            if not afresh:
                return
            self.reset()
        if not self.horizon.due(stamp_ns):
            self.drops += stamp_ns != self.horizon.stamp_ns  # the same again is an answer to a question repeated
            return
        self._wanted = stamp_ns, plan

    def make(self) -> None:
        """Give the policy what was wanted, with the joint state of its own stamp, or the nearest one.

        The nearest is taken only once time has passed that stamp, when the exact one can no longer come.
        """
        newest = self._joints.newest_ns
        if not self._node.active or self.policy is None or self._wanted is None or newest is None:
            return
        stamp_ns, plan = self._wanted
        if newest < stamp_ns:
            return
        if plan is not None and plan.refused:
            self._wanted, self.goal = None, plan.goal
            self.horizon.hold(stamp_ns)
            self._on_new()
            return
        spec = self.policy.spec
        looks = bool(spec.views) or spec.must_encode(None if plan is None else plan.spec)
        images = self._images.at(stamp_ns) if looks else {}
        proprio = self._joints.nearest(stamp_ns)
        if images is None or proprio is None:
            return
        self._wanted = None
        step = nearest_step(max(0, stamp_ns - self.began_ns), self._robot.period_ns)
        goal = self.instruction.sentence if plan is None else plan.goal
        assert goal is not None  # without an instruction no images are wanted
        self._infer(self.policy, Observation(stamp_ns, step, images, proprio), goal, plan)

    def _infer(self, policy: Policy, observation: Observation, goal: Goal, plan: MotionPlan | None) -> None:
        generation, stamp_ns = self._generation, observation.stamp_ns

        def infer() -> tuple[np.ndarray, float]:
            began = time.perf_counter()
            if generation != self._acted_in:
                policy.reset()
                self._acted_in = generation
            return np.asarray(policy.act(observation, goal, plan), np.float64), 1e3 * (time.perf_counter() - began)

        def add(result: tuple[np.ndarray, float]) -> None:
            chunk, milliseconds = result
            self.latency.add(milliseconds)
            self._node.report.problem("policy", None)
            newest, held = self._joints.newest_ns, self.horizon.stamp_ns
            outdated = generation != self._generation or (held is not None and stamp_ns < held)
            # Time may have gone back meanwhile, or another sentence may have come.
            if not self._node.active or outdated or newest is None or newest < stamp_ns or not self._is_wanted(goal):
                return
            if not self._check(chunk):
                return
            if self.goal is not None and goal != self.goal:
                self.horizon.reset()  # chunks of two goals are not blended
            self.horizon.add(stamp_ns, chunk)
            self.goal = goal
            self._on_new()

        def failed(error: Exception) -> None:
            self._node.report.problem("policy", f"the policy failed: {error}")

        self.drops += self._node.submit(infer, add, failed)
