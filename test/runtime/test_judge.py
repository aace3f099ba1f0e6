"""Verdicts on sentences, and the hold that follows a refusal, without ROS."""

import dataclasses

import graph_stubs
import numpy as np
import pytest

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.plan import UNDERSTOOD, MotionPlan
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.rollout import run_episode
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.horizons import HORIZONS, make_horizon
from zipmo_ros.runtime.judge import Judge
from zipmo_ros.runtime.strategies import ReactingAgent, SynchronousAgent
from zipmo_sim.simulator import Simulator

ROBOT = graph_stubs.ROBOT


def plan(step, understood, sentence="push"):
    embeddings = np.zeros((1, *graph_stubs.LATENT), np.float32)
    return MotionPlan(step * ROBOT.period_ns, Sentence(sentence), graph_stubs.SPEC, embeddings, understood)


def test_the_first_plan_for_a_sentence_decides():
    judge = Judge(refuse=True)
    first = judge.judged(plan(0, 0.2))
    assert first.refused
    assert not first.verdict.clear
    assert judge.judged(plan(2, 0.9)).verdict == first.verdict
    assert not judge.judged(plan(4, UNDERSTOOD, "pull")).refused
    assert not judge.judged(plan(6, 0.2, "pull")).refused
    judge.reset()
    assert judge.judged(plan(8, 0.2, "pull")).verdict.judged_ns == 8 * ROBOT.period_ns


def test_the_same_sentence_said_again_is_judged_anew():
    judge = Judge(refuse=True)
    assert judge.judged(plan(0, 0.2), said=1).refused
    assert judge.judged(plan(2, 0.9), said=1).refused
    assert not judge.judged(plan(4, 0.9), said=2).refused


def test_without_refusing_the_verdict_is_told_alone():
    told = Judge(refuse=False).judged(plan(0, 0.2))
    assert not told.refused
    assert not told.verdict.clear
    unable = plan(0, None)
    assert Judge(refuse=True).judged(unable) is unable


@pytest.mark.parametrize("name", HORIZONS)
def test_a_horizon_that_holds_forgets_what_it_had(name):
    horizon = make_horizon(name, "intended", 2, ROBOT)
    hand = np.array([0.4, 0, 0.5, 0, 0, 0, 1.0])
    horizon.feel(0, hand)
    horizon.add(0, np.full((16, 7), 0.1))
    assert horizon.command(0, hand) is not None
    later = 2 * ROBOT.period_ns
    horizon.hold(later)
    assert horizon.holds
    assert horizon.command(later, hand) is None
    assert not horizon.due(later + ROBOT.period_ns)  # a refusal is a plan as any
    assert horizon.due(2 * later)
    horizon.add(2 * later, np.full((16, 7), 0.1))
    assert not horizon.holds
    assert horizon.command(2 * later, hand) is not None


def run(agent_class, sentence, refuse):
    horizon = make_horizon("newest", "intended", 2, ROBOT)
    agent = agent_class(graph_stubs.DoubtfulPlanner(), graph_stubs.StubPolicy(), horizon, 0, refuse=refuse)
    simulator = Simulator(graph_stubs.SUITES, {})
    moment = simulator.begin(setup := simulator.describe("stub", "wander", "", 30, 0, -1, 2))
    agent.reset()
    while not moment.last:
        moment = simulator.step(setup, agent.act(moment.observation, Sentence(sentence)))
    return agent, np.stack(simulator.env.actions)


@pytest.mark.parametrize("agent_class", [RecedingHorizonAgent, SynchronousAgent, ReactingAgent])
def test_an_arm_that_does_not_understand_holds_and_is_not_stopped(agent_class):
    agent, actions = run(agent_class, "fold the towel", refuse=True)
    assert agent.refused
    assert agent.safety.armed
    assert not actions[:, :6].any()
    assert agent.facts["held_steps"] == len(actions)
    assert agent.facts["understood"] == 0.125
    agent, actions = run(agent_class, "fold the towel", refuse=False)
    assert not agent.refused
    assert actions[:, :6].any()
    assert agent.facts["understood"] == 0.125


def test_a_refused_episode_is_over_at_once():
    horizon = make_horizon("ensemble", "intended", 2, ROBOT)
    agent = RecedingHorizonAgent(graph_stubs.DoubtfulPlanner(), graph_stubs.StubPolicy(), horizon, 0, refuse=True)
    episode = Episode(30, "wander", 30, 0, "any", "fold the towel", "unrelated")
    simulator = Simulator(graph_stubs.SUITES, {})
    outcome = run_episode(simulator, agent, episode, "stub", 2)
    assert (outcome.steps, outcome.refused, outcome.understood, outcome.success) == (0, True, 0.125, True)
    moved = run_episode(simulator, agent, dataclasses.replace(episode, instruction="wander"), "stub", 2)
    assert (moved.refused, moved.success) == (False, False)  # it was to refrain
    assert moved.moved_m > 0.05
