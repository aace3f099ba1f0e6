"""Planners of tracks in the loop: over ROS the same actions as without, with one policy for all of them."""

import graph_stubs
import numpy as np
import pytest
import torch
from motion.arfm_models import tiny
from motion.atm_models import tiny_atm
from test_lockstep import Bench, direct_actions

from zipmo_policy.policy import TrackInverseDynamics
from zipmo_policy.track_head import TrackPolicy, TrackPolicyConfig
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.data.trackers.opencv import LucasKanade
from zipmo_ros.evaluation.replay import PlannerReplay
from zipmo_ros.motion.arfm.adapter import ArfmPlanner
from zipmo_ros.motion.atm.adapter import AtmPlanner
from zipmo_ros.nodes.overlay import draw_plan, planned_tracks

ROBOT = graph_stubs.ROBOT
SMALL = TrackPolicyConfig(width=64, encoder_depth=1, depth=1, ff_ratio=1)


class Counting(LucasKanade):
    """Says how often it was asked."""

    calls = 0

    def track(self, frames, queries):
        self.calls += 1
        return super().track(frames, queries)


def arfm():
    return ArfmPlanner(tiny(), ROBOT.views, ROBOT.period_ns, Execution(), Counting())


def atm():
    return AtmPlanner(tiny_atm(), ROBOT.views, ROBOT.period_ns, Execution())


def policy():
    """An awake one, whose actions stay small."""
    torch.manual_seed(0)
    model = TrackPolicy(SMALL)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
        model.trunk.policy_out_proj.proj.weight.mul_(0.5)
    return TrackInverseDynamics(model, ROBOT)


def observed(step):
    env = graph_stubs.StubEnv(graph_stubs.TASKS[0])
    seen, _ = env.reset(seed=step, options={"init_state": 30})
    proprio, hand = seen.pop("proprio"), seen.pop("hand")
    return Observation(10**9 + step * ROBOT.period_ns, step, seen, proprio, hand)


@pytest.mark.ros
@pytest.mark.parametrize("make", [arfm, atm], ids=lambda make: make.__name__)
def test_actions_equal_those_without_ros(graph, monkeypatch, make):
    """Another sentence, another episode, and time that goes back: what is kept of the one before has no part in it."""
    over_ros = make()
    monkeypatch.setattr(graph_stubs, "load_planner", lambda settings: (over_ros, "tiny"))
    monkeypatch.setattr(graph_stubs, "load_policy", lambda settings: (policy(), "tiny"))
    bench, task, moved = Bench(graph), graph_stubs.TASKS[0], []
    for sentence, state in (("wander about", 30), ("do something else", 31), ("wander about", 30)):
        bench.instruct(sentence)
        report, actions = bench.run(task=task.name, init_state=state)
        assert report["step"] == task.max_steps
        np.testing.assert_array_equal(
            actions, direct_actions(task, state, sentence, planner=make(), policy=policy())
        )  # fmt: skip
        moved.append(actions)
    np.testing.assert_array_equal(moved[0], moved[2])
    assert np.abs(moved[0] - moved[1]).max() > 1e-5
    assert np.ptp(moved[0][:, :6], axis=0).max() > 1e-3
    if make is arfm:
        assert over_ros.tracker.calls > task.max_steps, "no plan was taken along"


@pytest.mark.parametrize("make", [arfm, atm], ids=lambda make: make.__name__)
def test_a_replay_plans_the_same(make):
    """Of the observations that were planned for, with those between seen as they were."""
    planner, replayed, goal = make(), PlannerReplay(make(), seed=3), Sentence("wander about")
    for step in range(5):
        observation = observed(step)
        replayed.see(observation, episode=0)
        if step % 2:
            planner.observe(observation)
            continue
        plan = planner.plan(observation, goal, 3)
        np.testing.assert_array_equal(replayed.plan(plan.stamp_ns, goal)[1].embeddings, plan.embeddings)


@pytest.mark.parametrize("make", [arfm, atm], ids=lambda make: make.__name__)
def test_what_is_shown_is_the_plan_itself_with_where_it_points(make):
    planner, observation = make(), observed(0)
    plan = planner.plan(observation, Sentence("wander about"), 0)
    shown = planned_tracks(planner, plan, observation, points=7)
    np.testing.assert_array_equal(shown.tracks, plan.tracks[0])
    assert shown.places.shape == (2, 1, 2)
    assert draw_plan(shown).shape == (256, 512, 3)
