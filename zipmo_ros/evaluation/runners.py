"""Two ways to run the same episodes: directly in this process, or through a graph of ROS nodes in lockstep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome

if TYPE_CHECKING:
    from zipmo_ros.evaluation.rollout import Agent, MakeAgent
    from zipmo_sim.env import ManipulationEnv


@dataclass(frozen=True)
class Settings:
    """What an evaluation runs with; the meaning of its figures."""

    suite: str
    checkpoint: Path
    via: str
    seed: int
    replan_every: int
    nfe: int
    ensemble: str
    libero_assets: Path | None = None
    oracle: str = "none"  # of AGENTS; only without ROS
    max_steps: int | None = None  # control steps of an episode; None: the suite's own limit


def build_agent(settings: Settings) -> MakeAgent:
    """What makes the agent of an environment; the models are loaded once."""
    import torch

    torch.set_num_threads(1)  # sums in one order, the nodes' too: equal actions, to the bit
    return AGENTS[settings.oracle](settings)


def _receding(settings: Settings, plan: Callable, act: Callable) -> Agent:
    from zipmo_ros.runtime.agent import RecedingHorizonAgent
    from zipmo_ros.runtime.ensembling import TemporalEnsemble
    from zipmo_ros.runtime.horizon import Horizon

    horizon = Horizon(TemporalEnsemble(mode=settings.ensemble), settings.replan_every)
    return RecedingHorizonAgent(plan, act, horizon)


def _whole(settings: Settings) -> MakeAgent:
    """Planner and policy of the checkpoint."""
    from zipmo_policy.policy import Policy
    from zipmo_ros.motion.flow import plan_noise
    from zipmo_ros.motion.zipmo.generator import MotionGenerator

    generator = MotionGenerator.load(settings.checkpoint)
    policy = Policy.load(settings.checkpoint)

    def plan(images, instruction, stamp_ns):
        noise = plan_noise(settings.seed, stamp_ns, generator.latent_shape)
        return generator.plan(images, instruction, noise, steps=settings.nfe)

    return lambda env: _receding(settings, plan, policy.act)


def _expert(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import ExpertAgent

    return lambda env: ExpertAgent(env, settings.seed)


def _tracks(settings: Settings) -> MakeAgent:
    from zipmo_policy.policy import Policy
    from zipmo_ros.evaluation.oracles import ExpertAgent, Guided, TrackPlanner
    from zipmo_ros.motion.checkpoint import read_description
    from zipmo_ros.motion.zipmo.generator import MotionGenerator

    generator = MotionGenerator.load(settings.checkpoint)
    policy = Policy.load(settings.checkpoint)
    points = read_description(settings.checkpoint / "vae")["meta"].get("points_in", 40)

    def make(env: ManipulationEnv) -> Agent:
        expert = ExpertAgent(env, settings.seed)
        return Guided(expert, _receding(settings, TrackPlanner(expert, generator, points), policy.act))

    return make


def _plans(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import Beside, ExpertAgent

    watcher = _whole(settings)
    return lambda env: Beside(ExpertAgent(env, settings.seed), watcher(env))


def _cloned(settings: Settings) -> MakeAgent:
    from zipmo_policy.behaviour_cloning import BehaviourCloning
    from zipmo_ros.evaluation.oracles import cloned
    from zipmo_ros.motion import checkpoint

    plan, act = cloned(checkpoint.load(settings.checkpoint / "bc", BehaviourCloning))
    return lambda env: _receding(settings, plan, act)


# Who acts, by oracle=...; see zipmo_ros.evaluation.oracles.
AGENTS: dict[str, Callable[[Settings], MakeAgent]] = {
    "none": _whole, "expert": _expert, "tracks": _tracks, "plans": _plans, "bc": _cloned,
}  # fmt: skip
EXPERT_ORACLES = ("expert", "tracks", "plans")


def run_direct(settings: Settings, episodes: Iterable[Episode]) -> Iterator[Outcome]:
    """The loop without ROS."""
    from zipmo_ros.evaluation.rollout import run_episodes
    from zipmo_sim.rendering import select_backend

    select_backend()  # before an oracle imports mujoco
    options = {"max_steps": settings.max_steps}
    if settings.libero_assets is not None:
        options["assets"] = settings.libero_assets
    yield from run_episodes(
        settings.suite, episodes, build_agent(settings), image_every=settings.replan_every, **options
    )


def run_ros(settings: Settings, episodes: Iterable[Episode]) -> Iterator[Outcome]:
    """The loop through planner, policy and simulator nodes, each a process of its own."""
    from zipmo_ros.nodes.client import GraphDriver

    with GraphDriver(settings) as graph:
        for episode in episodes:
            yield graph.run_episode(episode)


# By via=...: yield an outcome before the next episode is asked for.
RUNNERS: dict[str, Callable[[Settings, Iterable[Episode]], Iterator[Outcome]]] = {"direct": run_direct, "ros": run_ros}
