"""All of our policies keep what the contract promises, and the checks notice one that does not."""

import dataclasses

import graph_stubs
import numpy as np
import pytest
import scenes
from motion.conftest import awaken
from policy_conformance import (
    POLICY_CHECKS,
    PolicyCase,
    a_chunk_stays_within_bounds_whatever_comes,
    a_plan_that_does_not_fit_is_named,
    check_policy,
    only_the_first_future_is_executed,
    the_same_gives_the_same_chunk,
    tracks_alone_are_taken_exactly_where_the_spec_says_so,
)

from zipmo_policy.arfm import ArfmPolicy
from zipmo_policy.arfm import nano as arfm_nano
from zipmo_policy.atm import AtmPolicy
from zipmo_policy.atm import nano as atm_nano
from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_policy.behaviour_cloning import nano as cloning_nano
from zipmo_policy.policy import ClonedBehaviour, GuidedBehaviour, TrackConditioned, TrackInverseDynamics
from zipmo_policy.track_head import TrackPolicy
from zipmo_policy.track_head import nano as tracks_nano
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.models import bundle_path, load_policy

ROBOT = load_robot()
SMALL_ATM = dataclasses.replace(atm_nano(), depth=1, frames=3, points=5)
OURS = {
    "inverse dynamics": lambda: load_policy("policy", bundle_path("nano-mini"), ROBOT, Execution()),
    "of tracks": lambda: TrackInverseDynamics(awaken(TrackPolicy(tracks_nano())), ROBOT),
    "of ARFM": lambda: GuidedBehaviour(awaken(ArfmPolicy(arfm_nano())), ROBOT),
    "of ATM": lambda: TrackConditioned(awaken(AtmPolicy(SMALL_ATM)), ROBOT),
    "cloned behaviour": lambda: ClonedBehaviour(awaken(BehaviourCloning(cloning_nano())), ROBOT),
    "stub": graph_stubs.StubPolicy,
    "looking stub": graph_stubs.LookingPolicy,
    "pushing stub": graph_stubs.PushingPolicy,
}


@pytest.fixture(params=OURS, scope="module")
def case(request):
    policy = OURS[request.param]()
    # Those that look read the sentence; for others the goal is already in the plan.
    return PolicyCase(policy, ROBOT, refuses=scenes.POKES[0] if policy.spec.views else None)


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
def test_ours(case, check):
    check(case)


@pytest.mark.parametrize(
    "make",
    [
        lambda robot: load_policy("policy", bundle_path("nano-mini"), robot, Execution()),
        lambda robot: ClonedBehaviour(BehaviourCloning(cloning_nano()), robot),
    ],
)
def test_a_robot_with_other_views_is_refused(make):
    one_eyed = dataclasses.replace(ROBOT, cameras=ROBOT.cameras[:1])
    with pytest.raises(ValueError, match="made for 2 views, the robot has agentview"):
        make(one_eyed)


class Wild(graph_stubs.PushingPolicy):
    """Leaves the bounds."""

    def act(self, observation, goal, plan):
        return 2 * super().act(observation, goal, plan)


class Learning(graph_stubs.StubPolicy):
    """Goes on from what it did before, also after a reset."""

    acted = 0

    def act(self, observation, goal, plan):
        self.acted += 1
        return super().act(observation, goal, plan) / self.acted


class Boastful(graph_stubs.PushingPolicy):
    """Says that it takes tracks with images, and acts without having looked."""

    spec = dataclasses.replace(graph_stubs.PushingPolicy.spec, encodes=True)


class Trusting(graph_stubs.PushingPolicy):
    """Takes whatever plan it gets."""

    def check(self, observation, plan):
        pass


class Mixing(graph_stubs.StubPolicy):
    """Executes the mean of all futures."""

    def act(self, observation, goal, plan):
        if plan is not None:
            plan = dataclasses.replace(plan, embeddings=plan.embeddings.mean(axis=0, keepdims=True, dtype=np.float32))
        return super().act(observation, goal, plan)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Wild, a_chunk_stays_within_bounds_whatever_comes),
        (Learning, the_same_gives_the_same_chunk),
        (Boastful, tracks_alone_are_taken_exactly_where_the_spec_says_so),
        (Trusting, a_plan_that_does_not_fit_is_named),
        (Mixing, only_the_first_future_is_executed),
    ],
)
def test_a_policy_that_breaks_a_promise_is_caught(broken, check):
    with pytest.raises(AssertionError):
        check(PolicyCase(broken(), ROBOT))
    with pytest.raises(AssertionError):
        check_policy(broken(), ROBOT)
