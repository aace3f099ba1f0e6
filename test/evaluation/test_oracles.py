"""Agents with a part replaced by the truth."""

import dataclasses

import numpy as np
import pytest
import torch

from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_policy.behaviour_cloning import nano as cloning_nano
from zipmo_policy.head import PolicyHead
from zipmo_policy.head import nano as policy_nano
from zipmo_policy.policy import InverseDynamics
from zipmo_policy.track_head import TrackPolicy
from zipmo_policy.track_head import nano as tracks_nano
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.splits import TRAINING
from zipmo_ros.evaluation.agents import AGENTS, build_agent
from zipmo_ros.evaluation.episodes import draw_episodes
from zipmo_ros.evaluation.oracles import (
    Beside,
    ExactTracks,
    ExpertAgent,
    FollowedExactly,
    ReplayAgent,
    TrackPlanner,
    ZeroPlanner,
    recorded_actions,
)
from zipmo_ros.evaluation.rollout import run_episode
from zipmo_ros.evaluation.runners import Settings
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.adapter import ArfmPlanner
from zipmo_ros.motion.arfm.config import arfm_nano
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.zipmo.config import planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_sim import suites
from zipmo_sim.env import cameras
from zipmo_sim.simulator import Simulator
from zipmo_sim.tracks import ExactTracker

TASK = "put_can_in_right_bin"


@pytest.fixture(scope="module")
def simulator():
    simulator = Simulator(suites, {})
    simulator.prepare("mini", TASK)
    yield simulator
    simulator.close()


@pytest.fixture
def env(simulator):
    return simulator.env


@pytest.fixture
def run(simulator, episode):
    """Without images."""
    return lambda agent: run_episode(simulator, agent, episode, "mini", image_every=0)


@pytest.fixture
def episode():
    (one,) = draw_episodes([suites.task("mini", TASK)], 1, seed=7)
    return one


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bundle")
    checkpoint.save(folder / "vae", TrackVAE(dataclasses.replace(vae_nano(), points_in=12)))
    checkpoint.save(folder / "planner", MotionPlanner(planner_nano()))
    checkpoint.save(folder / "policy", PolicyHead(policy_nano()))
    checkpoint.save(folder / "bc", BehaviourCloning(cloning_nano()))
    return folder


class Recorder:
    """Any agent, with what it did."""

    def __init__(self, agent):
        self.agent, self.actions = agent, []

    def reset(self):
        self.agent.reset()

    def act(self, *observation):
        self.actions.append(self.agent.act(*observation))
        return self.actions[-1]


class Foreseeing(ExpertAgent):
    """Looks ahead all the time, and keeps what it saw and what came of it."""

    def reset(self):
        super().reset()
        self.states, self.seen = [], []

    def act(self, *observation):
        self.states.append(self.env.get_state())
        if len(self.states) % 20 == 1:
            self.seen.append((len(self.states) - 1, self.foresee()))
        return super().act(*observation)


def test_looking_ahead_changes_nothing_and_comes_true(env, run):
    plain, looking = Recorder(ExpertAgent(env, 7)), Foreseeing(env, 7)
    first = run(plain)
    assert first.success
    assert first.failure is None
    end = env.get_state()
    again = Recorder(looking)
    assert run(again) == first
    np.testing.assert_array_equal(np.stack(again.actions), np.stack(plain.actions))
    np.testing.assert_array_equal(env.get_state(), end)
    states = np.stack([*looking.states, end])
    for step, foreseen in looking.seen:
        came = states[step : step + len(foreseen)]
        np.testing.assert_array_equal(foreseen[: len(came)], came)
    assert np.abs(foreseen[-1] - foreseen[0]).max() > 0.01, "nothing moved, so nothing was tested"


def test_tracks_start_in_the_present_and_follow_the_hand(env, episode):
    env.reset(options={"init_state": 30})
    expert = ExpertAgent(env, 7)
    expert.reset()
    planner = TrackPlanner(expert, TrackVAE(vae_nano()).eval())
    tracks = planner.tracks(5)
    assert tracks.shape == (2, 40, 16, 2)
    assert np.abs(tracks[:, :, 0]).max() <= 1
    np.testing.assert_array_equal(tracks, planner.tracks(5))
    followed = ExactTracker(env.sim.model._model, expert.foresee(), cameras()).follow("agentview", 0, tracks[0, :, 0])
    np.testing.assert_allclose(followed.clip(-4, 4), tracks[0], atol=0.02)
    assert (np.abs(tracks[0, :, -1] - tracks[0, :, 0]).max(-1) > 0.05).sum() > 10
    blank = dict.fromkeys(env.robot.views, np.zeros((128, 128, 3), np.uint8))
    plan = planner.plan(Observation(5, 0, blank), Sentence("go"), 0)
    assert plan.embeddings.shape == (1, 2, 4, 4, 16)


def test_a_policy_of_tracks_is_told_them_as_they_are(env, episode, bundle):
    checkpoint.save(bundle / "of_tracks", TrackPolicy(tracks_nano()))
    for oracle in ("tracks", "zeroed"):
        settings = Settings("mini", bundle, "direct", 7, 4, None, "intended", oracle=oracle, policy="of_tracks")
        agent = build_agent(settings)(env)
        env.reset(options={"init_state": 30})
        agent.reset()
        blank = dict.fromkeys(env.robot.views, np.zeros((128, 128, 3), np.uint8))
        seen = Observation(0, 0, blank, env.proprio(), env.hand())
        assert np.abs(agent.act(seen, Sentence(episode.instruction))).max() <= 1
    expert = ExpertAgent(env, 7)
    expert.reset()
    plan = ExactTracks(expert).plan(Observation(5, 0, {}), Sentence("go"), 0)
    np.testing.assert_allclose(plan.tracks[0], ExactTracks(expert).tracks(5), atol=1e-5)


def test_points_are_followed_by_the_simulator(env):
    """From plan to plan, through observations between, as the tracker knows that is given all states."""
    env.reset(options={"init_state": 30})
    expert = ExpertAgent(env, 7)
    expert.reset()
    states, stamp = [], 0

    def look():
        states.append(env.get_state())
        return Observation(stamp + len(states) * env.robot.period_ns, len(states), env.render_views())

    torch.manual_seed(0)
    model = MotionPredictor(dataclasses.replace(arfm_nano(), steps=1, points=6))
    make = lambda tracker: ArfmPlanner(model, env.robot.views, env.robot.period_ns, Execution(), tracker)  # noqa: E731
    planner = FollowedExactly(env, make)
    first = planner.plan(look(), Sentence("go"), 0)
    for step in range(4):
        env.step(expert.act(look(), Sentence("go")))
        if step < 3:
            planner.observe(look())
    second = planner.plan(look(), Sentence("go"), 0)
    exact = ExactTracker(env.sim.model._model, np.stack([states[0], states[-1]]), cameras())
    for view, (starts, ends) in zip(env.robot.views, zip(first.tracks[0], second.tracks[0], strict=True), strict=True):
        followed = exact.follow(view, 0, starts[:, 0])[:, 1]
        kept = np.abs(followed).max(axis=-1) < 0.9
        np.testing.assert_allclose(ends[kept, 0], followed[kept], atol=0.02)
    assert np.abs(second.tracks[0, :, :, 0] - first.tracks[0, :, :, 0]).max() > 0.02, "nothing moved"


def test_the_watcher_is_measured_and_the_guide_obeyed(env, run):
    class Lazy:
        def reset(self):
            pass

        def act(self, *observation):
            return np.zeros(7)

    guide = Recorder(ExpertAgent(env, 7))
    outcome = run(Beside(guide, Lazy()))
    assert outcome.success
    assert outcome.action_error == pytest.approx(np.abs(np.stack(guide.actions)).mean())


def test_replay_is_blind_and_of_a_training_state(env, run):
    agent = ReplayAgent(env, 7)
    actions = recorded_actions(env, 7)
    source = env.init_state
    assert source in TRAINING
    for state in (30, 31):
        env.reset(options={"init_state": state})
        agent.reset()
        told = np.stack([agent.act(None, None) for _ in range(len(actions) + 3)])
        np.testing.assert_array_equal(told[: len(actions)], actions)
        np.testing.assert_array_equal(told[-1], [0, 0, 0, 0, 0, 0, actions[-1, 6]])
    env.reset(options={"init_state": source})
    for action in actions:
        env.step(action)
    assert env.success(), "it does not even work where it was made"


def test_zeros_are_what_a_policy_is_told_without_a_plan(bundle, env):
    policy = PolicyHead(policy_nano())
    planner = ZeroPlanner(InverseDynamics(policy, env.robot, bundle).spec.plan, env.robot.views)
    plan = planner.plan(Observation(5, 0, {}), Sentence("go"), 0, samples=2)
    assert plan.embeddings.shape == (2, 2, 4, 4, 16)
    assert not plan.embeddings.any()
    settings = Settings("mini", bundle, "direct", 0, 4, None, "intended", policy="bc", oracle="zeroed")
    with pytest.raises(ValueError, match="needs a policy that takes plans"):
        build_agent(settings)


@pytest.fixture(scope="module")
def arfm_bundle(tmp_path_factory):
    """ARFM and the policy of tracks."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("arfm")
    small = dataclasses.replace(arfm_nano(), width=64, depth=2, hidden=64, head_depth=1, steps=1, points=6)
    checkpoint.save(folder / "planner", MotionPredictor(small))
    checkpoint.save(folder / "policy", TrackPolicy(tracks_nano()))
    return folder


@pytest.mark.parametrize(
    ("of", "oracle", "policy"),
    [
        *(("bundle", oracle, None) for oracle in AGENTS if oracle != "followed"),
        ("bundle", "none", "bc"),
        *(("arfm_bundle", oracle, None) for oracle in ("none", "tracks", "followed")),
    ],
)
def test_every_agent_acts(env, episode, request, of, oracle, policy):
    bundle = request.getfixturevalue(of)
    settings = Settings("mini", bundle, "direct", 7, 4, 1, "intended", oracle=oracle, policy=policy)
    agent = build_agent(settings)(env)
    env.reset(options={"init_state": 30})
    agent.reset()
    blank = dict.fromkeys(env.robot.views, np.zeros((128, 128, 3), np.uint8))
    for step in range(5):
        seen = Observation(step * env.robot.period_ns, step, blank, env.proprio(), env.hand())
        action = agent.act(seen, Sentence(episode.instruction))
        assert action.shape == (7,)
        assert np.abs(action).max() <= 1
        env.step(action)


def test_only_a_planner_that_follows_points_has_them_followed_by_the_simulator(bundle):
    settings = Settings("mini", bundle, "direct", 7, 4, 1, "intended", oracle="followed")
    with pytest.raises(ValueError, match="is for a planner that follows points, as planner=arfm"):
        build_agent(settings)


def test_a_policy_that_cannot_act_on_the_planners_plans_is_refused_before_the_episodes(bundle):
    checkpoint.save(bundle / "finer_policy", PolicyHead(dataclasses.replace(policy_nano(), latent_grid=8)))
    settings = Settings("mini", bundle, "direct", 0, 4, None, "intended", policy="finer_policy")
    with pytest.raises(ValueError, match="plans are latents"):
        build_agent(settings)
