"""Camera images and an instruction in, motion embeddings out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan
from zipmo_ros.contract.protocols import Planner
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import EPISODE_BREAK_NS, nearest_step
from zipmo_ros.nodes.cameras import Cameras
from zipmo_ros.nodes.diagnostics import Rate
from zipmo_ros.nodes.graph import PLANNER
from zipmo_ros.nodes.instruction import Instruction
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.models import make_planner
from zipmo_ros.nodes.overlay import draw_plan
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import PlannerParameters
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.latency import LatencyWindow

Request = tuple[Observation, Sentence]  # what a plan is made from


class PlannerNode(ManagedNode):
    """Plans for images with the same stamp every few steps, in one worker thread, the newest ones first."""

    entry = PLANNER
    schema = PlannerParameters

    def __init__(self, load: Callable[[PlannerParameters], tuple[Planner, str]] = make_planner, **options: Any):
        self._load_planner = load
        self._planner: Planner | None = None
        self._hash: str | None = None
        self._requested: Request | None = None
        self._early: Observation | None = None  # the newest one that was not planned for
        self._planned: tuple[Request, Image] | None = None
        self._began_ns: int | None = None  # stamp of the episode's first observation
        self._newest_ns = 0
        self._told: str | None = None  # the newest info
        self._latency, self._rate, self._drops = LatencyWindow(), Rate(), 0
        super().__init__(**options)
        self._robot = load_robot(self.settings.robot)
        self._frame = self._robot.views[0]
        self._embedding = self.create_lifecycle_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
        self._info = self.create_lifecycle_publisher(String, topics.PLAN_INFO, topics.LATCHED)
        self._overlay = self.create_lifecycle_publisher(Image, topics.OVERLAY, topics.COMMAND)
        self._instruction = Instruction(self)
        self._cameras = Cameras(self, self._robot, self.settings.image_transport, self._on_images)

    def load(self) -> None:
        try:
            self._planner, self._hash = self._load_planner(self.settings)
            self._cameras.size = size = self._planner.spec.image_size
            # The first plan pays for lazy set-up; nobody should wait for it.
            blank = dict.fromkeys(self._robot.views, np.zeros((size, size, 3), np.uint8))
            self._plan((Observation(0, 0, blank), Sentence("warm up")), seed=0, anew=True, seen=[])
        except Exception as error:
            self.unload()
            raise RuntimeError(f"checkpoint {self.settings.checkpoint or 'the shipped one'}: {error}") from error

    @property
    def planner(self) -> Planner:
        """There from `load` to `unload`."""
        assert self._planner is not None
        return self._planner

    def unload(self) -> None:
        self._planner = self._hash = None

    def begin(self) -> None:
        self._requested = self._planned = self._early = self._began_ns = self._told = None
        self._seen: list[Observation] = []  # what the planner has still to be shown
        self._cameras.reset()
        self._instruction.acknowledge()

    def _on_images(self, stamp_ns: int, images: dict[str, np.ndarray]) -> None:
        sentence = self._instruction.wanted()
        if sentence is None:
            return
        before, self._newest_ns = self._newest_ns, stamp_ns
        began = self._began_ns
        anew = began is None or stamp_ns < before or stamp_ns - before > EPISODE_BREAK_NS
        if began is not None and stamp_ns < before:
            times = f"from {before / 1e9:.2f} s to {stamp_ns / 1e9:.2f} s"
            self.report.event(f"image stamps went back {times}; starting afresh")
        if began is None or anew:
            began = self._began_ns = stamp_ns
            self._seen = []
        step = nearest_step(stamp_ns - began, self._robot.period_ns)
        request = Observation(stamp_ns, step, images), sentence
        if self._planned is not None and _same(request, self._planned[0]):
            self._embedding.publish(self._planned[1])  # asked again: the answer may have been lost
        elif not self._is_early(request[0], anew) and not _same(request, self._requested):
            self._request(request, anew)

    def _is_early(self, observation: Observation, anew: bool) -> bool:
        """Whether no plan is due yet. One that is shown twice is asked for: somebody lacks a plan that others have."""
        since = None if self._requested is None else observation.stamp_ns - self._requested[0].stamp_ns
        early = not anew and since is not None and 0 < since < self.settings.replan_every * self._robot.period_ns
        if not early or observation.same_as(self._early):
            return False
        self._early = observation
        self._seen.append(observation)
        return True

    def _request(self, request: Request, anew: bool) -> None:
        finished = self._planned is not None
        self._requested, self._planned = request, None
        seen, self._seen = self._seen, []
        seed = self.settings.seed
        replaced = self.submit(lambda: self._plan(request, seed, anew, seen),
                               lambda done: self._on_plan(request, *done), self._on_failure)  # fmt: skip
        self._drops += replaced and not finished  # else it replaced an overlay

    def _plan(self, request: Request, seed: int, anew: bool, seen: list[Observation]) -> tuple[MotionPlan, float]:
        began = time.perf_counter()
        if anew:
            self.planner.reset()
        for observation in seen:
            self.planner.observe(observation)
        plan = self.planner.plan(*request, seed)
        return plan, 1e3 * (time.perf_counter() - began)

    def _on_plan(self, request: Request, plan: MotionPlan, milliseconds: float) -> None:
        if not self.active:
            return
        self.report.problem("planning", None)
        self._latency.add(milliseconds)
        self._rate.tick()
        info = messages.plan_info(plan, self.planner.spec.name)
        if info.data != self._told:
            self._told = info.data
            self._info.publish(info)
        message = messages.embedding_message(plan, self._frame)
        self._embedding.publish(message)
        if request is self._requested:
            self._planned = request, message
            if self._overlay.get_subscription_count():
                self._draw(request[0], plan)

    def _draw(self, observation: Observation, plan: MotionPlan) -> None:
        """Publish the overlay; a newer plan that is asked for meanwhile comes first."""
        points = self.settings.overlay_points
        self.submit(lambda: draw_plan(self.planner, plan, observation, points),
                    lambda image: self._overlay.publish(messages.image_message(image, plan.stamp_ns, self._frame)),
                    lambda error: self.report.event(f"{topics.OVERLAY}: {error}"))  # fmt: skip

    def _on_failure(self, error: Exception) -> None:
        self._requested = None  # the same images may be tried again
        self.report.problem("planning", f"planning failed: {error}")
        self.report.event(f"planning failed: {error}")

    def check(self) -> None:
        self.report.problem("cameras", self._cameras.problem())

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(),
            "inference_ms_p50": self._latency.p50,
            "inference_ms_p95": self._latency.p95,
            "drops": self._drops,
            "device": self.settings.device,
            "planner": self._planner and self._planner.spec.name,
            "checkpoint": self.settings.checkpoint,
            "checkpoint_hash": self._hash,
            "instruction": self._instruction.sentence and self._instruction.sentence.text,
        }


def _same(request: Request, other: Request | None) -> bool:
    return other is not None and request[1] == other[1] and request[0].same_as(other[0])


def main(args: list[str] | None = None) -> int:
    return run(PlannerNode, args)


if __name__ == "__main__":
    sys.exit(main())
