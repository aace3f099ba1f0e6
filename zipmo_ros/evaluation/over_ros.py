"""The closed loop over ROS: the graph of nodes, and what comes of its episodes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.nodes.client import GraphDriver, OnFrames, Recording

if TYPE_CHECKING:
    from zipmo_ros.evaluation.runners import Settings

_log = logging.getLogger(__name__)


def graph_arguments(settings: Settings) -> dict[str, str]:
    """What the settings are called by the graph (nodes/graph.py); what is not said is empty."""
    names = ("checkpoint", "suite", "seed", "planner", "policy", "nfe", "warm_start", "engine", "device", "dtype",
             "text_encoder", "ensemble", "replan_every", "max_steps", "libero_assets", "command_interface", "robot",
             "image_phase", "camera_skew", "plan_age", "mode", "execution", "latency_ms", "latency_jitter",
             "refuse_unknown", "perturb", "strength", "look", "settle")  # fmt: skip

    def told(value: Any) -> str:
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    return {name: told(getattr(settings, name)) for name in names}


class GraphLoop:
    """Runs episodes through a graph of nodes of its own; use it as a context manager.

    on_frames: see GraphDriver. image_every: control steps between two pairs of images; None: replan_every.
    """

    def __init__(
        self, settings: Settings, on_frames: OnFrames | None = None, image_every: int | None = None,
        domain: int | None = None,
    ):  # fmt: skip
        given = {**graph_arguments(settings), "image_every": str(image_every or settings.image_every)}
        self._driver = GraphDriver(given, on_frames, domain=domain)

    def __enter__(self) -> GraphLoop:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.stop()

    @property
    def recording(self) -> Recording:
        """What was heard in the last episode."""
        return self._driver.recording

    def run_episode(self, episode: Episode) -> Outcome:
        """Run one episode to its end; what breaks becomes the outcome's error."""
        try:
            report = self._driver.run_episode(
                episode.task, episode.instructed_task, episode.init_state, episode.seed, episode.number,
                episode.instruction, episode.approach,
            )  # fmt: skip
        except RuntimeError as crash:
            _log.error("episode %d (%s): %s", episode.number, episode.task, crash)
            steps = len(self.recording.actions)
            return Outcome.of(episode, success=False, original_success=False, steps=steps, error=str(crash))
        return Outcome.of(
            episode,
            success=report["state"] == "success",
            original_success=episode.task in report["done_tasks"],
            steps=report["step"],
            error=report["reason"] if report["state"] == "error" else None,
            failure=report.get("failure"),
            done_tasks=tuple(report["done_tasks"]),
            plan_ms=self._driver.plan_ms(),
            plan_age_ms=self._driver.plan_age_ms(),
            understood=self.recording.verdict and self.recording.verdict.understood,
            refused=self.recording.refused,
            moved_m=self.recording.moved_m,
        )
