"""Plans, goals and what fits what."""

import json

import numpy as np
import pytest

from zipmo_ros.contract.goal import Pokes, Sentence, goal_from_plain, goal_to_plain
from zipmo_ros.contract.plan import MotionPlan, PlanSpec, track_spec

SPEC = PlanSpec("latents", (2, 4, 4, 16), 16, 50_000_000)
GOAL = Sentence("go")


def test_a_plan_knows_its_horizon_and_goal():
    plan = MotionPlan(7, GOAL, SPEC, np.zeros((3, 2, 4, 4, 16), np.float32))
    assert (plan.spec.horizon, plan.goal, plan.embedding.shape) == (16, GOAL, (2, 4, 4, 16))
    with pytest.raises(ValueError, match="this plan is latents"):
        _ = plan.tracks


def test_tracks_survive_as_an_embedding():
    tracks = np.random.default_rng(0).uniform(-1, 1, (2, 2, 5, 16, 2))
    plan = MotionPlan.of_tracks(7, GOAL, tracks, 50_000_000)
    assert plan.embeddings.shape == (2, 2, 5, 1, 32)
    assert plan.spec == track_spec(2, 16, 50_000_000)
    np.testing.assert_allclose(plan.tracks, tracks, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "value", "reason"),
    [((2, 4, 4, 16), 0, r"embeddings are \[K, 2, 4, 4, 16\]"), ((0, 2, 4, 4, 16), 0, "embeddings are"),
     ((1, 2, 4, 4, 8), 0, "embeddings are"), ((1, 2, 4, 4, 16), np.nan, "512 numbers that are not finite")],
)  # fmt: skip
def test_plans_that_are_none(shape, value, reason):
    with pytest.raises(ValueError, match=reason):
        MotionPlan(7, GOAL, SPEC, np.full(shape, value, np.float32))


def test_plans_of_another_type_would_not_survive_the_wire():
    with pytest.raises(ValueError, match="embeddings are float32, got float64"):
        MotionPlan(7, GOAL, SPEC, np.zeros((1, 2, 4, 4, 16)))


@pytest.mark.parametrize(
    ("kind", "shape", "horizon", "reason"),
    [("wish", (2, 4, 4, 16), 16, "no plan is like this"), ("latents", (2, 4, 16), 16, "no plan is like this"),
     ("latents", (2, 4, 4, 16), 0, "no plan is like this"), ("latents", (0, 4, 4, 16), 16, "no plan is like this"),
     ("latents", (2, None, 4, 16), 16, "no plan is like this"), ("tracks", (2, None, None, 32), 16, "no plan is like"),
     ("tracks", (2, None, 1, 32), 8, r"a track of 8 steps is \(1, 16\) numbers, not \(1, 32\)")],
)  # fmt: skip
def test_specs_that_no_plan_can_have(kind, shape, horizon, reason):
    with pytest.raises(ValueError, match=reason):
        PlanSpec(kind, shape, horizon, 50_000_000)


def test_misfits_are_named():
    assert SPEC.misfit(SPEC) is None
    assert PlanSpec(**json.loads(json.dumps(SPEC.to_plain()))) == SPEC
    assert SPEC.misfit(PlanSpec("latents", (2, 8, 8, 16), 16, 50_000_000)) == (
        "plans are latents [2, 8, 8, 16], not latents [2, 4, 4, 16]"
    )
    assert SPEC.misfit(PlanSpec("latents", (2, 4, 4, 16), 8, 100_000_000)) == (
        "plans span 8 steps of 100 ms, not 16 steps of 50 ms"
    )
    assert "plans are tracks" in SPEC.misfit(track_spec(2, 16, 50_000_000))
    some = PlanSpec("tracks", (2, 7, 1, 32), 16, 50_000_000)
    assert track_spec(2, 16, 50_000_000).misfit(some) is None  # any number of points


@pytest.mark.parametrize("goal", [GOAL, Pokes(((0.0, 0.1, 0.2, 0.3, 1.0),))])
def test_goals_survive_json(goal):
    assert goal_from_plain(json.loads(json.dumps(goal_to_plain(goal)))) == goal


@pytest.mark.parametrize(
    ("make", "reason"),
    [(lambda: Sentence("  "), "is empty"), (lambda: Sentence("x" * 1001), "1001 characters, at most 1000"),
     (lambda: Pokes(((1.0, 2.0),)), "five finite numbers"), (lambda: goal_from_plain({"wish": 1}), "a goal is")],
)  # fmt: skip
def test_goals_that_are_none(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()
