"""ARFM behind the contract: it follows its points from image to image, and takes its plan along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import HORIZON, MotionPlan, track_spec
from zipmo_ros.contract.protocols import Execution, PlannerSpec, Tracker
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import nearest_step
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.predictor import Context, MotionPredictor
from zipmo_ros.motion.arfm.queries import draw_points
from zipmo_ros.motion.arfm.sampling import contexts_of, following, forecast
from zipmo_ros.motion.engines import check_eager
from zipmo_ros.motion.flow import plan_noise
from zipmo_ros.motion.looking import Looking
from zipmo_ros.motion.pointer import Pointing, understood
from zipmo_ros.motion.text import embed_goal

LEAST_FOLLOWED = 0.5  # share of a view's points that must still be there; else others are chosen for both views


@dataclass(frozen=True)
class Course:
    """What is kept of an episode: the newest plan, and the points followed from there on.

    goal: what was planned for. plan: float32 [K, V, N, T, 2], from planned_ns on. past: float32 [V, N, P, 2], where its
    points had been until then, in steps of the robot's period. frames: images [V, H, W, 3] by step of the past.
    stamp_ns, images: what was seen last. points: [V, N, 2], where they are there. followed: bool [V, N], not lost yet.
    """

    goal: Goal
    plan: np.ndarray
    planned_ns: int
    past: np.ndarray
    frames: dict[int, np.ndarray]
    stamp_ns: int
    images: np.ndarray
    points: np.ndarray
    followed: np.ndarray


class ArfmPlanner(Looking):
    """A Planner (contract.protocols) whose plans are tracks.

    Points are chosen once and followed by `tracker`; each further plan takes the last one along, and what is lost is
    replaced by points that go along with their nearest neighbour. It begins anew on a reset, for another goal, when
    stamps go back or leap over what was planned, and when a view has lost too many points.
    Raises ValueError for another number of views than `views`, for a model that reads no sentences of ours, and for a
    warm start, which is ZipMo's: here a plan is always taken along, as the checkpoint's `edit` says.
    """

    def __init__(
        self, network: MotionPredictor, views: Sequence[str], period_ns: int, execution: Execution, tracker: Tracker
    ):
        config = network.config
        if len(views) != config.views:
            raise ValueError(f"this planner looks at {config.views} views, the robot has {', '.join(views)}")
        if config.text is None or config.image is None:
            raise ValueError("an ARFM with CLIP's text can't be told sentences here: nothing makes its tokens")
        if execution.warm_start is not None:
            raise ValueError("warm_start is ZipMo's: ARFM takes each plan along, as its configuration's edit says")
        check_eager(execution, "ARFM")
        self.network, self.tracker = network.eval(), tracker
        self._text_config, self._understood_at = config.text, config.image.understood_at
        self.steps = execution.steps or config.steps
        self._dtype = getattr(torch, execution.dtype)
        self._longest_past = config.context - (HORIZON - 1) + 1
        self.spec = PlannerSpec("arfm", track_spec(config.views, HORIZON, period_ns), tuple(views))
        self.reset()

    @classmethod
    def load(
        cls, bundle: str | Path, robot: RobotSpec, execution: Execution, tracker: Tracker, part: str = "planner"
    ) -> ArfmPlanner:
        """From BUNDLE/PART. Raises CheckpointError (a ValueError) for what does not fit."""
        network = checkpoint.load(Path(bundle) / part, MotionPredictor, execution.device)
        return cls(network, robot.views, robot.period_ns, execution, tracker)

    def reset(self) -> None:
        self._course: Course | None = None
        self._before: tuple[int, Course | None] | None = None  # stamp of the newest plan, and what it was made from

    def observe(self, observation: Observation) -> None:
        """Follow the points; there are none before the first plan."""
        course = self._course
        if course is None:
            return
        self._course = self._follow(course, observation) if self._goes_on(course, observation) else None

    @torch.no_grad()
    def plan(self, observation: Observation, goal: Goal, seed: int, samples: int = 1) -> MotionPlan:
        """Tracks of `samples` futures; the noise is keyed by seed and stamp, and the first is that of samples=1."""
        text = self._text(goal)
        images = observation.stacked(self.spec.views)
        stamp = observation.stamp_ns
        if self._before is None or self._before[0] != stamp:  # asked again, it is made from the same again
            self._before = stamp, self._course
        course = self._before[1]
        if course is not None:
            keeps = course.goal == goal and self._goes_on(course, observation)
            course = self._follow(course, observation) if keeps else None
        if course is not None and course.followed.mean(axis=1).min() < LEAST_FOLLOWED:
            course = None
        past, frames, planned = self._beginning(images) if course is None else self._continued(course, images)
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            contexts, pointing = self._contexts(frames, past.shape[2], text)
            points = self._choose(contexts[0], np.random.default_rng([seed, stamp]))
            past, planned = self._placed(course, points, past, planned)
            tracks = self._forecast(contexts, past, planned, plan_noise(seed, stamp, (samples, *self._noise_shape)))
        everywhere = np.ones(past.shape[:2], bool)
        self._course = Course(goal, tracks, stamp, past, frames, stamp, images, past[:, :, -1], everywhere)
        plan = MotionPlan.of_tracks(stamp, goal, tracks, self.spec.plan.period_ns)
        return replace(plan, understood=understood(pointing, self._understood_at, row=-1))

    def _look(self, observation: Observation, goal: Goal) -> Pointing | None:
        images = self._tensor(observation.stacked(self.spec.views))[None]
        return self.network.look(images, self._text(goal))[1]

    def _text(self, goal: Goal) -> Tensor:
        return embed_goal(self._text_config, goal, "this planner").to(self._device)

    def _goes_on(self, course: Course, observation: Observation) -> bool:
        """Whether there is a plan for the time of the observation."""
        later = observation.stamp_ns >= course.stamp_ns
        return later and self._steps_since(course, observation.stamp_ns) < HORIZON

    def _steps_since(self, course: Course, stamp_ns: int) -> int:
        return nearest_step(stamp_ns - course.planned_ns, self.spec.plan.period_ns)

    def _follow(self, course: Course, observation: Observation) -> Course:
        """The course, its points found in the observation."""
        if observation.stamp_ns == course.stamp_ns:
            return course
        images = observation.stacked(self.spec.views)
        found = [self.tracker.track(np.stack(pair), points)
                 for *pair, points in zip(course.images, images, course.points, strict=True)]  # fmt: skip
        points = np.stack([tracks[:, 1] for tracks, _ in found])
        followed = course.followed & np.stack([visible[:, 1] for _, visible in found])
        return replace(course, stamp_ns=observation.stamp_ns, images=images, points=points, followed=followed)

    def _beginning(self, images: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray], None]:
        config = self.network.config
        return np.zeros((config.views, config.points, 1, 2), np.float32), {0: images}, None

    def _continued(self, course: Course, images: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray], np.ndarray]:
        """Past and frames until now, as far as the network's context holds them, and what is left of the plan.

        Between plan and now the points moved evenly, as far as is known.
        """
        steps = self._steps_since(course, course.stamp_ns)
        begun = course.past[:, :, -1:]
        share = (np.arange(1, steps + 1, dtype=np.float32) / max(steps, 1))[:, None]
        past = np.concatenate([course.past, begun + (course.points[:, :, None] - begun) * share], axis=2)
        past[:, :, -1] = course.points
        dropped = max(0, past.shape[2] - self._longest_past)
        frames = {step - dropped: seen for step, seen in course.frames.items() if step >= dropped}
        frames[past.shape[2] - 1 - dropped] = images
        return past[:, :, dropped:], frames, course.plan[:, :, :, steps:]

    def _contexts(
        self, frames: dict[int, np.ndarray], past: int, text: Tensor
    ) -> tuple[list[Context], Pointing | None]:
        frame_of, seen = (part.to(self._device) for part in following(list(frames), past + HORIZON - 2))
        images = self._tensor(np.stack(list(frames.values())))
        sample = torch.zeros(len(images), dtype=torch.int64, device=self._device)
        return contexts_of(self.network, images, sample, frame_of, seen, text, self.network.config.guidance)

    def _choose(self, context: Context, rng: np.random.Generator) -> np.ndarray:
        """Points [V, N, 2] of the newest frame, those that are expected to move more often."""
        config = self.network.config
        places = rng.uniform(-1, 1, (config.views, config.candidates, 2)).astype(np.float32)
        newest = torch.tensor([len(context.frames.tokens) - 1], device=self._device)
        expected = self.network.expected_movement(context.frames, newest, self._tensor(places)[None])[0].cpu()
        uniform = torch.from_numpy(rng.random(expected.shape, np.float32))
        chosen = draw_points(expected, uniform, config.points, config.temperature).numpy()
        return np.take_along_axis(places, chosen[:, :, None], axis=1)

    def _placed(
        self, course: Course | None, points: np.ndarray, past: np.ndarray, planned: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Past and plan with new `points` [V, N, 2]: all of them, or in place of those that were lost. These have gone,
        and shall go, as the nearest one that was not.
        """
        if course is None or planned is None:
            return points[:, :, None], None
        past, planned = past.copy(), planned.copy()
        for view, kept in enumerate(course.followed):
            new, now = points[view, : np.count_nonzero(~kept)], past[view, kept, -1]
            nearest = np.linalg.norm(new[:, None] - now[None], axis=-1).argmin(axis=1)
            offset = (new - now[nearest])[:, None]
            past[view, ~kept] = past[view, kept][nearest] + offset
            planned[:, view, ~kept] = planned[:, view, kept][:, nearest] + offset
        return past, planned

    def _forecast(
        self, contexts: list[Context], past: np.ndarray, planned: np.ndarray | None, noise: np.ndarray
    ) -> np.ndarray:
        """Tracks float32 [K, V, N, T, 2]."""
        if planned is not None:  # futures that the last plan has not are near its first
            rows = np.arange(len(noise))
            planned = planned[np.where(rows < len(planned), rows, 0)]
        tracks = forecast(
            self.network,
            contexts,
            self._tensor(past)[None],
            self._tensor(noise)[None],
            steps=self.steps,
            guidance=self.network.config.guidance,
            planned=None if planned is None else self._tensor(planned)[None],
        )
        return tracks[0].float().cpu().numpy()

    @property
    def _noise_shape(self) -> tuple[int, ...]:
        config = self.network.config
        return HORIZON - 1, config.views, config.points, 2

    @property
    def _device(self) -> torch.device:
        return self.network.no_text.device

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
