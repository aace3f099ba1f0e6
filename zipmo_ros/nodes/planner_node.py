"""Camera images and an instruction in, motion embeddings out."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import String

from zipmo_ros.contract.goal import Goal, Pokes, Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan, Verdict
from zipmo_ros.contract.protocols import Planner
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import goes_on, nearest_step
from zipmo_ros.nodes.cameras import Cameras
from zipmo_ros.nodes.diagnostics import Rate
from zipmo_ros.nodes.graph import PLANNER
from zipmo_ros.nodes.instruction import Instruction
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.models import make_planner
from zipmo_ros.nodes.overlay import ShownPlan, draw_plan, planned_tracks
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import PlannerParameters
from zipmo_ros.nodes.states import NOT_UNDERSTOOD, PLANNING_FAILED, PLANNING_LATE
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.nodes.wire.tracks import tracks_message
from zipmo_ros.runtime.deadlines import Deadlines
from zipmo_ros.runtime.delay import Delay
from zipmo_ros.runtime.judge import Judge
from zipmo_ros.runtime.latency import LatencyWindow

Request = tuple[Observation, Goal]  # what a plan is made from
WARM_UP = (Sentence("warm up"), Pokes(((0.0, 0.0, 0.1, 0.1, 1.0),)))  # one of them, whichever the planner follows


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
        self._seen: deque[Observation] = deque()  # this episode's, not planned for; the worker takes from it
        self._planning: deque[Observation] | None = None  # the worker's own: the episode that it planned for last
        self._began_ns: int | None = None  # stamp of the episode's first observation
        self._newest_ns = 0
        self._told: str | None = None  # the newest info
        self._latency, self._rate, self._drops = LatencyWindow(), Rate(), 0
        self._deadlines = Deadlines()
        self._judge = Judge(refuse=False)  # the worker's own
        self._verdict: Verdict | None = None  # on the newest plan's sentence
        self._about: str | None = None  # where the newest plan that was shown takes its goal to be
        super().__init__(**options)
        self._judge.refuse = self.settings.refuse_unknown
        self._robot = load_robot(self.settings.robot)
        self._frame = self._robot.views[0]
        self._embedding = self.create_lifecycle_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
        self._info = self.create_lifecycle_publisher(String, topics.PLAN_INFO, topics.LATCHED)
        self._overlay = self.create_lifecycle_publisher(Image, topics.OVERLAY, topics.OFFERED)
        self._tracks = self.create_lifecycle_publisher(PointCloud2, topics.TRACKS, topics.OFFERED)
        self._instruction = Instruction(self)
        self._cameras = Cameras(self, self._robot, self.settings.image_transport, self._on_images)

    def load(self) -> None:
        try:
            self._planner, self._hash = self._load_planner(self.settings)
            self._cameras.size = self._planner.spec.image_size
            self._check(self.settings.replan_every)
            self._warm_up()
        except Exception as error:
            self.unload()
            raise RuntimeError(f"checkpoint {self.settings.checkpoint or 'the shipped one'}: {error}") from error

    def _check(self, replan_every: int) -> None:
        horizon = self.planner.spec.plan.horizon
        if replan_every > horizon:
            raise ValueError(f"replan_every is {replan_every} steps, and its plans span {horizon}")

    def _warm_up(self) -> None:
        """The first plan pays for lazy set-up; nobody should wait for it."""
        size = self.planner.spec.image_size
        blank = Observation(0, 0, dict.fromkeys(self._robot.views, np.zeros((size, size, 3), np.uint8)))
        refusals = []
        for goal in WARM_UP:
            try:
                self._plan((blank, goal), seed=0, seen=deque())
                return
            except ValueError as error:
                refusals.append(str(error))
        self.get_logger().warning(f"not warmed up, so that the first plan takes longer: {'; '.join(refusals)}")

    @property
    def planner(self) -> Planner:
        """There from `load` to `unload`."""
        assert self._planner is not None
        return self._planner

    def unload(self) -> None:
        self._planner = self._hash = None

    def begin(self) -> None:
        self._about = self._verdict = None
        self._requested = self._planned = self._early = self._began_ns = self._told = None
        self._seen = deque()
        self._cameras.reset()
        self.report.stands("understanding", None)
        self._instruction.acknowledge()

    def _take_settings(self, settings: PlannerParameters) -> None:
        super()._take_settings(settings)
        self._judge.refuse = settings.refuse_unknown

    def _on_images(self, stamp_ns: int, images: dict[str, np.ndarray]) -> None:
        sentence = self._instruction.wanted()
        if sentence is None:
            return
        before, self._newest_ns = self._newest_ns, stamp_ns
        began = self._began_ns
        anew = began is None or not goes_on(before, stamp_ns)
        if began is not None and stamp_ns < before:
            times = f"from {before / 1e9:.2f} s to {stamp_ns / 1e9:.2f} s"
            self.report.event(f"image stamps went back {times}; starting afresh")
        if began is None or anew:
            began = self._began_ns = stamp_ns
            self._seen = deque()
        step = nearest_step(stamp_ns - began, self._robot.period_ns)
        request = Observation(stamp_ns, step, images), sentence
        if self._planned is not None and _same(request, self._planned[0]):
            self._embedding.publish(self._planned[1])  # asked again: the answer may have been lost
        elif not self._is_early(request[0], anew) and not _same(request, self._requested):
            self._request(request)

    def _is_early(self, observation: Observation, anew: bool) -> bool:
        """Whether no plan is due yet. One that is shown twice is asked for: somebody lacks a plan that others have."""
        since = None if self._requested is None else observation.stamp_ns - self._requested[0].stamp_ns
        early = not anew and since is not None and 0 < since < self.settings.replan_every * self._robot.period_ns
        if not early or observation.same_as(self._early):
            return False
        self._early = observation
        self._seen.append(observation)
        return True

    def _request(self, request: Request) -> None:
        self._requested, self._planned = request, None
        seed, seen, asked, said = self.settings.seed, self._seen, time.perf_counter(), self._instruction.said_ns
        self._drops += self.submit(lambda: self._plan(request, seed, seen, said),
                                   lambda done: self._on_plan(request, asked, *done), self._on_failure)  # fmt: skip

    def _plan(
        self, request: Request, seed: int, seen: deque[Observation], said_ns: int | None = None
    ) -> tuple[MotionPlan, float]:
        """In the worker. A request may be replaced before it gets here, so the planner's history is settled here.

        seen: what was seen and not planned for in the request's episode. said_ns: when its sentence was said.
        """
        began = time.perf_counter()
        if seen is not self._planning:  # another episode
            self.planner.reset()
            self._judge.reset()
            self._planning = seen
        while seen and seen[0].stamp_ns < request[0].stamp_ns:
            self.planner.observe(seen.popleft())
        plan = self._judge.judged(self.planner.plan(*request, seed), said_ns)
        delay = Delay(self.settings.latency_ms, self.settings.latency_jitter, seed).of(plan.stamp_ns)
        time.sleep(max(0.0, delay / 1e9 - (time.perf_counter() - began)))
        return plan, 1e3 * (time.perf_counter() - began)

    def _on_plan(self, request: Request, asked: float, plan: MotionPlan, milliseconds: float) -> None:
        if not self.active:
            return
        self.report.stands("planning", None)
        self._tell_whether_understood(plan)
        self._latency.add(milliseconds)
        self._deadlines.add(time.perf_counter() - asked, self._budget)
        self._rate.tick()
        info = messages.plan_info(plan, self.planner.spec.name)
        if info.data != self._told:
            self._told = info.data
            self._info.publish(info)
        message = messages.embedding_message(plan, self._frame)
        self._embedding.publish(message)
        if request is self._requested:
            self._planned = request, message
        pictured = bool(self._overlay.get_subscription_count())
        if pictured or self._tracks.get_subscription_count():
            self._show(request[0], plan, pictured)

    def _tell_whether_understood(self, plan: MotionPlan) -> None:
        before, self._verdict = self._verdict, plan.verdict
        if plan.verdict is None or plan.verdict.clear:
            self.report.stands("understanding", None)
            return
        held = ", so the arm holds" if plan.refused else ""
        seen = f"'{plan.goal}' is not understood ({plan.verdict.understood:.2f}){held}"
        if before is not None and not before.clear and before != plan.verdict:  # another sentence, in the same state
            self.get_logger().warning(NOT_UNDERSTOOD.said(seen))
        self.report.stands("understanding", NOT_UNDERSTOOD, seen)

    @property
    def _budget(self) -> float:
        """Seconds that a plan has, from its images on."""
        return self.settings.plan_budget or self.settings.replan_every * self._robot.period_s

    def _show(self, observation: Observation, plan: MotionPlan, pictured: bool) -> None:
        """Publish tracks and overlay for those who look, once there is no plan to make."""
        points = self.settings.overlay_points

        def draw() -> tuple[ShownPlan, np.ndarray | None]:
            shown = planned_tracks(self.planner, plan, observation, points)
            return shown, draw_plan(shown) if pictured else None

        def publish(drawn: tuple[ShownPlan, np.ndarray | None]) -> None:
            shown, image = drawn
            self._about = shown.about(self.planner.spec.views)
            self._tracks.publish(tracks_message(shown.tracks, plan.stamp_ns, plan.spec.period_ns, self._frame))
            if image is not None:
                self._overlay.publish(messages.image_message(image, plan.stamp_ns, self._frame))

        self.submit(draw, publish, lambda error: self.report.event(f"{topics.OVERLAY}: {error}"), idle=True)

    def _on_failure(self, error: Exception) -> None:
        self._requested = None  # the same images may be tried again
        self.report.stands("planning", PLANNING_FAILED, f"planning failed: {error}")
        self.report.event(f"planning failed: {error}")

    def check(self) -> None:
        self._cameras.check()
        late = self.settings.plan_budget > 0 and self._deadlines.recent
        text = f"plans come up to {self._deadlines.worst:.2f} s after their images (plan_budget: {self._budget:.2f} s)"
        self.report.stands("deadline", PLANNING_LATE if late else None, text)

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(),
            "inference_ms_p50": self._latency.p50,
            "inference_ms_p95": self._latency.p95,
            "drops": self._drops,
            "deadline_misses": self._deadlines.misses,
            **self._cameras.values(),
            "device": self.settings.device,
            "planner": self._planner and self._planner.spec.name,
            "checkpoint": self.settings.checkpoint,
            "checkpoint_hash": self._hash,
            "instruction": self._instruction.sentence and self._instruction.sentence.text,
            "about": self._about,
            "understood": self._verdict and self._verdict.understood,
        }


def _same(request: Request, other: Request | None) -> bool:
    return other is not None and request[1] == other[1] and request[0].same_as(other[0])


def main(args: list[str] | None = None) -> int:
    return run(PlannerNode, args)


if __name__ == "__main__":
    sys.exit(main())
