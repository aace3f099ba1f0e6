"""Who acts in an evaluation without ROS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from zipmo_ros.contract.protocols import Execution, Planner, Policy, Tracker
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.models import follows, load_planner, load_policy
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.delay import Delay
from zipmo_ros.runtime.horizons import HORIZONS, make_horizon
from zipmo_ros.runtime.strategies import ReactingAgent, SynchronousAgent

if TYPE_CHECKING:
    from zipmo_ros.evaluation.rollout import Agent, MakeAgent
    from zipmo_ros.evaluation.runners import Settings
    from zipmo_sim.env import ManipulationEnv


def build_agent(settings: Settings) -> MakeAgent:
    """What makes the agent of an environment; the models are loaded once. Its threads are the nodes': equal actions."""
    return AGENTS[settings.oracle](settings)


def _policy(settings: Settings) -> Policy:
    return load_policy(settings.policy, settings.checkpoint, load_robot(), Execution(settings.device))


def _planner(settings: Settings, tracker: Tracker | None = None) -> Planner:
    execution = Execution(settings.device, steps=settings.nfe, dtype=settings.dtype, warm_start=settings.warm_start,
                          engine=settings.engine, text_encoder=settings.text_encoder)  # fmt: skip
    return load_planner(settings.planner, settings.checkpoint, load_robot(), execution, tracker)


class Strategy(NamedTuple):
    """How plans are executed. horizon: of runtime.horizons.HORIZONS."""

    what: str
    horizon: str
    agent: type[RecedingHorizonAgent] = RecedingHorizonAgent


# By execution=...
EXECUTIONS = {
    **{name: Strategy(recipe.what, name) for name, recipe in HORIZONS.items()},
    "synchronous": Strategy("the arm holds while it plans", "newest", SynchronousAgent),
    "reacting": Strategy("the policy acts anew at every step on the newest plan", "newest", ReactingAgent),
}


def _receding(settings: Settings, planner: Planner | None, policy: Policy) -> Agent:
    strategy = EXECUTIONS[settings.execution]
    horizon = make_horizon(strategy.horizon, settings.ensemble, settings.replan_every, load_robot())
    delay = Delay(settings.latency_ms, settings.latency_jitter, settings.seed)
    return strategy.agent(planner, policy, horizon, settings.seed, delay, settings.refuse_unknown)


def _whole(settings: Settings) -> MakeAgent:
    """The policy, with the planner if it needs a plan."""
    policy = _policy(settings)
    planner = None
    if policy.spec.plan:
        planner = _planner(settings)
        if problem := policy.spec.misfit(planner.spec.plan):
            raise ValueError(problem)
    return lambda env: _receding(settings, planner, policy)


def _expert(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import ExpertAgent

    return lambda env: ExpertAgent(env, settings.seed)


def _tracks(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import ExactTracks, ExpertAgent, Guided, TrackPlanner
    from zipmo_ros.motion.checkpoint import load
    from zipmo_ros.motion.zipmo.vae import TrackVAE

    policy, exact = _policy(settings), ExactTracks
    if policy.spec.plan is None or policy.spec.plan.kind == "latents":
        exact = partial(TrackPlanner, vae=load(settings.checkpoint / "vae", TrackVAE))

    def make(env: ManipulationEnv) -> Agent:
        expert = ExpertAgent(env, settings.seed)
        return Guided(expert, _receding(settings, exact(expert), policy))

    return make


def _followed(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import FollowedExactly

    if not follows(settings.planner, settings.checkpoint):
        raise ValueError("oracle=followed is for a planner that follows points, as planner=arfm")
    policy = _policy(settings)
    return lambda env: _receding(settings, FollowedExactly(env, partial(_planner, settings)), policy)


def _zeroed(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import ZeroPlanner

    policy, robot = _policy(settings), load_robot()
    if policy.spec.plan is None:
        raise ValueError(f"oracle=zeroed needs a policy that takes plans, not {policy.spec.name}")
    return lambda env: _receding(settings, ZeroPlanner(policy.spec.plan, robot.views), policy)


def _replay(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import ReplayAgent

    return lambda env: ReplayAgent(env, settings.seed)


def _plans(settings: Settings) -> MakeAgent:
    from zipmo_ros.evaluation.oracles import Beside, ExpertAgent

    watcher = _whole(settings)
    return lambda env: Beside(ExpertAgent(env, settings.seed), watcher(env))


# Who acts, by oracle=...; see oracles.py.
AGENTS: dict[str, Callable[[Settings], MakeAgent]] = {
    "none": _whole, "expert": _expert, "tracks": _tracks, "plans": _plans, "followed": _followed, "zeroed": _zeroed,
    "replay": _replay,
}  # fmt: skip
