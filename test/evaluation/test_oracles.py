"""Agents with a part replaced by the truth."""

import dataclasses

import numpy as np
import pytest
import torch

from zipmo_policy.behaviour_cloning import BehaviourCloning
from zipmo_policy.behaviour_cloning import nano as cloning_nano
from zipmo_policy.head import PolicyHead
from zipmo_policy.head import nano as policy_nano
from zipmo_ros.evaluation.episodes import draw_episodes
from zipmo_ros.evaluation.oracles import Beside, ExpertAgent, TrackPlanner
from zipmo_ros.evaluation.rollout import run_episode
from zipmo_ros.evaluation.runners import AGENTS, Settings, build_agent
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.zipmo.config import planner_nano, vae_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE
from zipmo_sim import suites
from zipmo_sim.env import CAMERAS
from zipmo_sim.tracks import Tracker

TASK = "put_can_in_right_bin"


@pytest.fixture(scope="module")
def env():
    env = suites.make_env("mini", TASK, image_every=0)
    yield env
    env.close()


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


def test_looking_ahead_changes_nothing_and_comes_true(env, episode):
    plain, looking = Recorder(ExpertAgent(env, 7)), Foreseeing(env, 7)
    first = run_episode(env, plain, episode)
    assert first.success
    assert first.failure is None
    end = env.get_state()
    again = Recorder(looking)
    assert run_episode(env, again, episode) == first
    np.testing.assert_array_equal(np.stack(again.actions), np.stack(plain.actions))
    np.testing.assert_array_equal(env.get_state(), end)
    states = np.stack([*looking.states, end])
    for step, foreseen in looking.seen:
        came = states[step : step + len(foreseen)]
        np.testing.assert_array_equal(foreseen[: len(came)], came)
    assert np.abs(foreseen[-1] - foreseen[0]).max() > 0.01, "nothing moved, so nothing was tested"


def test_tracks_start_in_the_present_and_follow_the_hand(env, episode, bundle):
    from zipmo_ros.motion.zipmo.generator import MotionGenerator

    env.reset(options={"init_state": 30})
    expert = ExpertAgent(env, 7)
    expert.reset()
    planner = TrackPlanner(expert, MotionGenerator.load(bundle), points=40)
    tracks = planner.tracks(5)
    assert tracks.shape == (2, 40, 16, 2)
    assert np.abs(tracks[:, :, 0]).max() <= 1
    np.testing.assert_array_equal(tracks, planner.tracks(5))
    followed = Tracker(env.sim.model._model, expert.foresee(), CAMERAS).follow("agentview", 0, tracks[0, :, 0])
    np.testing.assert_allclose(followed.clip(-4, 4), tracks[0], atol=0.02)
    assert (np.abs(tracks[0, :, -1] - tracks[0, :, 0]).max(-1) > 0.05).sum() > 10
    z = planner(np.zeros((2, 128, 128, 3), np.uint8), "", 5)
    assert z.shape == (2, 4, 4, 16)
    assert np.isfinite(z).all()


def test_the_watcher_is_measured_and_the_guide_obeyed(env, episode):
    class Lazy:
        def reset(self):
            pass

        def act(self, *observation):
            return np.zeros(7)

    guide = Recorder(ExpertAgent(env, 7))
    outcome = run_episode(env, Beside(guide, Lazy()), episode)
    assert outcome.success
    assert outcome.action_error == pytest.approx(np.abs(np.stack(guide.actions)).mean())


@pytest.mark.parametrize("oracle", AGENTS)
def test_every_oracle_acts(env, episode, bundle, oracle):
    settings = Settings("mini", bundle, "direct", 7, 4, 1, "intended", oracle=oracle)
    agent = build_agent(settings)(env)
    env.reset(options={"init_state": 30})
    agent.reset()
    images = np.zeros((2, 128, 128, 3), np.uint8)
    for step in range(5):
        action = agent.act(step * 50_000_000, images, env.proprio(), episode.instruction)
        assert action.shape == (7,)
        assert np.abs(action).max() <= 1
        env.step(action)
