"""All of our planners keep what the contract promises, and the checks notice one that does not."""

import dataclasses

import graph_stubs
import numpy as np
import pytest
import scenes
import torch
from motion.arfm_models import tiny
from motion.atm_models import tiny_atm
from motion.conftest import PLANNERS, VAES, awaken
from planner_conformance import (
    PLANNER_CHECKS,
    PlannerCase,
    a_plan_is_of_its_observation_and_goal,
    a_plan_keeps_its_numbers_when_the_next_is_made,
    a_view_that_is_missing_is_named,
    check_planner,
    more_samples_are_more_futures_and_the_first_is_that_of_one,
    observations_are_left_as_they_are,
    reset_forgets,
)

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.data.trackers.opencv import LucasKanade
from zipmo_ros.evaluation.oracles import ExactTracks, ExpertAgent, TrackPlanner
from zipmo_ros.models import bundle_path, load_planner
from zipmo_ros.motion.arfm.adapter import ArfmPlanner
from zipmo_ros.motion.atm.adapter import AtmPlanner
from zipmo_ros.motion.zipmo.adapter import ZipmoPlanner
from zipmo_ros.motion.zipmo.config import PokeConfig, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_sim import suites
from zipmo_sim.simulator import Simulator

ROBOT = load_robot()


def shipped(_):
    return PlannerCase(load_planner(None, bundle_path("nano-mini"), ROBOT, Execution()), ROBOT)


def of_pokes(_):
    torch.manual_seed(0)
    nano = PLANNERS["nano"]
    image = dataclasses.replace(nano.image, text=None, landmarks=0)
    config = dataclasses.replace(nano, text=None, pokes=PokeConfig(4), norm_by_text=False, image=image)
    vae, network = awaken(TrackVAE(VAES["nano"])), awaken(MotionPlanner(config))
    planner = ZipmoPlanner(vae, network, ROBOT.views, ROBOT.period_ns, Execution())
    return PlannerCase(planner, ROBOT, goals=scenes.POKES, refuses=scenes.SENTENCES[0])


def of_followed_points(_):
    """What it saw matters from its first plan on."""
    return PlannerCase(ArfmPlanner(tiny(), ROBOT.views, ROBOT.period_ns, Execution(), LucasKanade()), ROBOT)


def of_a_grid(_):
    """It draws nothing."""
    planner = AtmPlanner(tiny_atm(), ROBOT.views, ROBOT.period_ns, Execution())
    return PlannerCase(planner, ROBOT, depends_on=("goal",))


def warmly_started(_):
    """What it planned before matters."""
    vae = TrackVAE(dataclasses.replace(VAES["nano"], clip_samples=HORIZON, samples_per_token=HORIZON, points_in=6))
    models = awaken(vae), awaken(MotionPlanner(PLANNERS["nano"]))
    return PlannerCase(ZipmoPlanner(*models, ROBOT.views, ROBOT.period_ns, Execution(warm_start=0.5)), ROBOT)


def of_exact_tracks(env):
    """It looks into the simulator, where there is one future, and one task."""
    env.reset(options={"init_state": 30})
    expert = ExpertAgent(env, 7)
    expert.reset()
    torch.manual_seed(0)
    planner = TrackPlanner(expert, TrackVAE(vae_nano()).eval())
    return PlannerCase(planner, ROBOT, refuses=None, depends_on=())


def of_exact_tracks_alone(env):
    env.reset(options={"init_state": 30})
    expert = ExpertAgent(env, 7)
    expert.reset()
    return PlannerCase(ExactTracks(expert), ROBOT, refuses=None, depends_on=())


def stub(_):
    return PlannerCase(graph_stubs.StubPlanner(), ROBOT)


def straight_stub(_):
    return PlannerCase(graph_stubs.StraightPlanner(), ROBOT, refuses=None, depends_on=())


LOOKING = (of_exact_tracks, of_exact_tracks_alone)
OURS = (shipped, of_pokes, warmly_started, of_followed_points, of_a_grid, *LOOKING, stub, straight_stub)


@pytest.fixture(scope="module")
def env():
    simulator = Simulator(suites, {"image_every": 0})
    simulator.prepare("mini", "put_can_in_right_bin")
    yield simulator.env
    simulator.close()


@pytest.fixture(params=OURS, ids=lambda make: make.__name__, scope="module")
def case(request):
    return request.param(request.getfixturevalue("env") if request.param in LOOKING else None)


@pytest.mark.parametrize("check", PLANNER_CHECKS, ids=lambda check: check.__name__)
def test_ours(case, check):
    check(case)


class Forgetless(graph_stubs.StubPlanner):
    """Its episodes run into each other: what it observed outlasts a reset."""

    def plan(self, observation, goal, seed, samples=1):
        return super().plan(observation, goal, seed + len(self.observed), samples)


class Overwriting(graph_stubs.StubPlanner):
    """Hands out the one array that it computes in."""

    kept = np.zeros((1, *graph_stubs.LATENT), np.float32)

    def plan(self, observation, goal, seed, samples=1):
        plan = super().plan(observation, goal, seed, samples)
        if samples > 1:
            return plan
        self.kept[:] = plan.embeddings
        return dataclasses.replace(plan, embeddings=self.kept)


class Stale(graph_stubs.StubPlanner):
    """Stamps its plans a step late."""

    def plan(self, observation, goal, seed, samples=1):
        plan = super().plan(observation, goal, seed, samples)
        return dataclasses.replace(plan, stamp_ns=plan.stamp_ns + ROBOT.period_ns)


class Blotting(graph_stubs.StubPlanner):
    """Works on the images in place."""

    def observe(self, observation):
        for image in observation.images.values():
            image[:] = 0


class Averaging(graph_stubs.StubPlanner):
    """Its first future depends on how many there are."""

    def plan(self, observation, goal, seed, samples=1):
        plan = super().plan(observation, goal, seed, samples)
        return dataclasses.replace(plan, embeddings=plan.embeddings - plan.embeddings.mean(axis=0) / 2)


class Blind(graph_stubs.StubPlanner):
    """Fails on a missing view in words that help nobody."""

    def plan(self, observation, goal, seed, samples=1):
        if len(observation.images) < 2:
            raise KeyError(0)
        return super().plan(observation, goal, seed, samples)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Forgetless, reset_forgets),
        (Overwriting, a_plan_keeps_its_numbers_when_the_next_is_made),
        (Stale, a_plan_is_of_its_observation_and_goal),
        (Blotting, observations_are_left_as_they_are),
        (Averaging, more_samples_are_more_futures_and_the_first_is_that_of_one),
        (Blind, a_view_that_is_missing_is_named),
    ],
)
def test_a_planner_that_breaks_a_promise_is_caught(broken, check):
    with pytest.raises(AssertionError):
        check(PlannerCase(broken(), ROBOT))
    with pytest.raises(AssertionError):
        check_planner(broken(), ROBOT)
