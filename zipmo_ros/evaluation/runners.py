"""Two ways to run the same episodes: directly in this process, or through a graph of ROS nodes in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_sim.rendering import RenderSettings
from zipmo_sim.suites import render_settings

MODELLESS = ("expert", "replay")  # oracles that need neither a model nor images
BY_EXPERT = (*MODELLESS, "tracks", "plans")  # oracles that need an expert
PLANNING = ("none", "plans", "followed")  # oracles that leave the planner in


@dataclass(frozen=True)
class Settings:
    """What an evaluation runs with; the meaning of its figures."""

    suite: str
    checkpoint: Path
    via: str
    seed: int
    replan_every: int
    nfe: int | None  # Euler steps of a plan; None: as the checkpoint says
    ensemble: str
    warm_start: float | None = None  # flow time from which on a plan goes on from the last one; None: all from noise
    engine: str = "eager"  # of contract.protocols.ENGINES: what carries out the planner's network
    device: str = "cpu"  # of torch, on which planner and policy compute
    dtype: str = "float32"  # of contract.protocols.DTYPES: the planner's arithmetic
    text_encoder: Path | None = None  # see motion.text; None: the planner's is installed
    libero_assets: Path | None = None
    planner: str | None = None  # see models.load_planner; None: the bundle's
    policy: str | None = None  # see models.load_policy; None: the bundle's
    oracle: str = "none"  # of agents.AGENTS; only without ROS
    max_steps: int | None = None  # control steps of an episode; None: the suite's own limit
    command_interface: str | None = None  # kind of controller through which an arm's node drives it; only over ROS
    robot: str | None = None  # whose cameras are simulated; None: those that the models know
    image_phase: int = 0  # control steps that the second camera is later by than the first; only over ROS
    camera_skew: float | None = None  # s that images of a moment may be apart; only over ROS
    plan_age: int | None = None  # lockstep: control steps that the newest plan may be old; None: replan_every
    mode: str = "lockstep"  # over ROS: lockstep, or realtime, where what computing takes counts
    execution: str = "ensemble"  # of agents.EXECUTIONS: how plans are executed; others than this only without ROS
    latency_ms: float = 0.0  # by which plans come later than their observation; without ROS in simulated time
    refuse_unknown: bool = False  # the arm holds, and the episode is over, where the sentence is not understood
    latency_jitter: float = 0.0  # each plan's latency lies between 1 - this and 1 + this times as much
    perturb: str | None = None  # of zipmo_sim.perturbations.kinds.KINDS; None: everything is as usual
    strength: float = 1.0  # of that, above 0 and at most 1
    look: str | None = None  # of zipmo_sim.rendering.LOOKS; None: the suite's own
    settle: str | None = None  # of zipmo_sim.task.SETTLINGS; None: the usual
    gallery: Path | None = None  # where last frames of failures go; only without ROS; None: nowhere

    @property
    def image_every(self) -> int:
        """Control steps between two pairs of images, 0 for none.

        Late plans may end at any step, and the next one wants to look.
        """
        if self.oracle in MODELLESS:
            return 0
        return 1 if self.latency_ms else self.replan_every


def environment_options(settings: Settings) -> dict[str, Any]:
    """What the environments of an evaluation are made with."""
    perturbed = {} if settings.perturb is None else {"perturb": settings.perturb, "strength": settings.strength}
    named = {"assets": settings.libero_assets, "settle": settings.settle, "render": images(settings)}
    return {"max_steps": settings.max_steps, **perturbed, **{key: value for key, value in named.items() if value}}


def images(settings: Settings) -> RenderSettings | None:
    """What images are drawn with; None: as the suite has them."""
    size = load_robot(settings.robot).cameras[0].size if settings.robot else None
    return render_settings(settings.suite, settings.look, size) if settings.look or size else None


def run_direct(settings: Settings, episodes: Iterable[Episode]) -> Iterator[Outcome]:
    """The loop without ROS."""
    from zipmo_ros.evaluation.agents import build_agent
    from zipmo_ros.evaluation.rollout import run_episodes
    from zipmo_sim.rendering import select_backend

    select_backend()  # before an oracle imports mujoco
    ended = None
    if settings.gallery:
        from zipmo_ros.evaluation.gallery import keep_last_frame

        ended = partial(keep_last_frame, settings.gallery)
    options = environment_options(settings)
    yield from run_episodes(
        settings.suite,
        episodes,
        build_agent(settings),
        image_every=settings.image_every,
        robot=settings.robot,
        ended=ended,
        **options,
    )


def run_ros(settings: Settings, episodes: Iterable[Episode]) -> Iterator[Outcome]:
    """The loop through planner, policy and simulator nodes, each a process of its own."""
    from zipmo_ros.evaluation.over_ros import GraphLoop

    with GraphLoop(settings) as loop:
        for episode in episodes:
            yield loop.run_episode(episode)


# By via=...: yield an outcome before the next episode is asked for.
RUNNERS: dict[str, Callable[[Settings, Iterable[Episode]], Iterator[Outcome]]] = {"direct": run_direct, "ros": run_ros}
