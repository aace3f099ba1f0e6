"""Camera images and an instruction in, motion embeddings out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import String

from zipmo_ros.nodes.diagnostics import WARN, Rate
from zipmo_ros.nodes.managed import ManagedNode, run
from zipmo_ros.nodes.models import Generator, load_generator
from zipmo_ros.nodes.overlay import draw_plan
from zipmo_ros.nodes.settings import PlannerParameters
from zipmo_ros.nodes.wire import messages as convert
from zipmo_ros.nodes.wire import topics
from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.stamps import CONTROL_PERIOD_NS
from zipmo_ros.runtime.watchdog import Watchdog

CAMERA_TIMEOUT = 2.0  # s of silence of one camera, while the other delivers, until it counts as missing


@dataclass(frozen=True)
class _Request:
    """What a plan is made from."""

    stamp_ns: int
    images: np.ndarray
    instruction: str

    def same_as(self, other: _Request | None) -> bool:
        return (other is not None and self.stamp_ns == other.stamp_ns and self.instruction == other.instruction
                and np.array_equal(self.images, other.images))  # fmt: skip


class PlannerNode(ManagedNode):
    """Plans for a pair of images with the same stamp every few steps, in one worker thread, the newest pair first."""

    schema = PlannerParameters

    def __init__(self, load: Callable[[str, str, int], tuple[Generator, str]] = load_generator, **options: Any):
        self._load_generator = load
        self._generator: Generator | None = None
        self._hash: str | None = None
        self._instruction: str | None = None
        self._latest: dict[str, tuple[int, np.ndarray]] = {}
        self._cameras = {view: Watchdog(topics.IMAGES[view], CAMERA_TIMEOUT) for view in topics.VIEWS}
        self._requested: _Request | None = None
        self._early_ns: int | None = None  # stamp of the newest pair that was not planned for
        self._planned: tuple[_Request, Image] | None = None
        self._latency, self._rate, self._drops = LatencyWindow(), Rate(), 0
        super().__init__("planner", **options)
        self._embedding = self.create_lifecycle_publisher(Image, topics.MOTION_EMBEDDING, topics.PLAN_OFFERED)
        self._overlay = self.create_lifecycle_publisher(Image, topics.OVERLAY, topics.COMMAND)
        self._in_use = self.create_lifecycle_publisher(String, f"~/{topics.INSTRUCTION_IN_USE}", topics.LATCHED)
        self.create_subscription(String, topics.INSTRUCTION, self._on_instruction, topics.LATCHED)
        for view in topics.VIEWS:
            self.subscribe(Image, topics.IMAGES[view], lambda m, view=view: self._on_image(view, m), topics.SENSOR)

    def load(self) -> None:
        directory = self.settings.checkpoint
        try:
            self._generator, self._hash = self._load_generator(directory, self.settings.device, self.settings.threads)
            self._warm_up()
        except Exception as error:
            self.unload()
            raise RuntimeError(f"checkpoint {directory or 'the shipped one'}: {error}") from error

    def _warm_up(self) -> None:
        """The first plan pays for lazy set-up; nobody should wait for it."""
        images = np.zeros((len(topics.VIEWS), convert.IMAGE_SIZE, convert.IMAGE_SIZE, 3), np.uint8)
        self._plan(_Request(0, images, "warm up"), seed=0, steps=self.settings.nfe)

    def unload(self) -> None:
        self._generator = self._hash = None

    def begin(self) -> None:
        self._latest, self._requested, self._planned, self._early_ns = {}, None, None, None
        for camera in self._cameras.values():
            camera.reset()
        self._acknowledge()

    def _on_instruction(self, message: String) -> None:
        problem = convert.instruction_problem(message.data)
        if problem is not None:
            kept = f"'{self._instruction}' stays" if self._instruction else "there is none in use"
            self.report.event(f"{topics.INSTRUCTION}: {problem}; {kept}")
            return
        if message.data != self._instruction:
            self.get_logger().info(f"instruction: {message.data}")
        self._instruction = message.data
        self.report.problem("instruction", None)
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Say which sentence the next plan follows: who starts an episode waits for it."""
        if self._instruction is not None:
            self._in_use.publish(String(data=self._instruction))

    def _on_image(self, view: str, message: Image) -> None:
        stamp_ns = convert.to_ns(message.header.stamp)
        self._latest[view] = stamp_ns, convert.read_image(message)
        self._cameras[view].feed()
        stamps = {stamp for stamp, _ in self._latest.values()}
        if len(self._latest) == len(topics.VIEWS) and len(stamps) == 1:
            self._on_pair(stamp_ns, np.stack([self._latest[name][1] for name in topics.VIEWS]))

    def _on_pair(self, stamp_ns: int, images: np.ndarray) -> None:
        if self._instruction is None:
            self.report.problem("instruction", "images come, but no instruction has been given yet", WARN)
            return
        request = _Request(stamp_ns, images, self._instruction)
        if self._planned is not None and request.same_as(self._planned[0]):
            self._embedding.publish(self._planned[1])  # asked again: the answer may have been lost
            return
        since = None if self._requested is None else stamp_ns - self._requested.stamp_ns
        early = since is not None and 0 < since < self.settings.replan_every * CONTROL_PERIOD_NS
        asked_again = stamp_ns == self._early_ns  # somebody lacks a plan that others have
        if early and not asked_again:
            self._early_ns = stamp_ns
            return
        if request.same_as(self._requested):
            return
        if since is not None and since < 0:
            self.report.event(f"image stamps went back from {self._requested.stamp_ns / 1e9:.2f} s to "
                              f"{stamp_ns / 1e9:.2f} s; starting afresh")  # fmt: skip
        finished = self._planned is not None
        self._requested, self._planned = request, None
        seed, steps = self.settings.seed, self.settings.nfe
        replaced = self.submit(lambda: self._plan(request, seed, steps),
                               lambda done: self._on_plan(request, *done), self._on_failure)  # fmt: skip
        self._drops += replaced and not finished  # else it replaced an overlay

    def _plan(self, request: _Request, seed: int, steps: int) -> tuple[np.ndarray, float]:
        from zipmo_ros.motion.flow import plan_noise  # torch, only where planning is

        began = time.perf_counter()
        noise = plan_noise(seed, request.stamp_ns, self._generator.latent_shape)
        z = np.asarray(self._generator.plan(request.images, request.instruction, noise, steps or None))
        if not np.isfinite(z).all():
            raise ValueError("the plan holds numbers that are not finite")
        return z, 1e3 * (time.perf_counter() - began)

    def _on_plan(self, request: _Request, z: np.ndarray, milliseconds: float) -> None:
        if not self.active:
            return
        self.report.problem("planning", None)
        self._latency.add(milliseconds)
        self._rate.tick()
        message = convert.embedding_message(z, request.stamp_ns, topics.VIEWS[0])
        self._embedding.publish(message)
        if request is self._requested:
            self._planned = request, message
            if self._overlay.get_subscription_count():
                self._draw(request, z)

    def _draw(self, request: _Request, z: np.ndarray) -> None:
        """Publish the overlay; a newer plan that is asked for meanwhile comes first."""
        points = self.settings.overlay_points
        self.submit(lambda: draw_plan(self._generator, z, request.images, request.instruction, points),
                    lambda image: self._overlay.publish(
                        convert.image_message(image, request.stamp_ns, topics.VIEWS[0])),
                    lambda error: self.report.event(f"{topics.OVERLAY}: {error}"))  # fmt: skip

    def _on_failure(self, error: Exception) -> None:
        self._requested = None  # the same images may be tried again
        self.report.problem("planning", f"planning failed: {error}")
        self.report.event(f"planning failed: {error}")

    def check(self) -> None:
        stale = [text for camera in self._cameras.values() if (text := camera.problem())]
        # With both silent nothing is asked of the planner; with one silent it can never plan.
        self.report.problem("cameras", stale[0] if len(stale) == 1 else None)

    def values(self) -> dict:
        return {
            "rate_hz": self._rate.read(),
            "inference_ms_p50": self._latency.p50,
            "inference_ms_p95": self._latency.p95,
            "drops": self._drops,
            "device": self.settings.device,
            "checkpoint": self.settings.checkpoint,
            "checkpoint_hash": self._hash,
            "instruction": self._instruction,
        }


def main(args: list[str] | None = None) -> int:
    return run(PlannerNode, args)


if __name__ == "__main__":
    sys.exit(main())
