"""What every Planner of the contract promises, for one of ours or of your own:

check_planner(MyPlanner(...), load_robot())
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scenes

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan, PlanSpec
from zipmo_ros.contract.protocols import Planner, Visible
from zipmo_ros.contract.robot import RobotSpec


class PlannerCase(NamedTuple):
    """goals: two that it takes. refuses: one that it does not; None: it takes any.

    depends_on: which of "seed" and "goal" its plans depend on. remembers: whether observations before change a plan.
    tolerance: between a future of a batch and the same one alone, whose sums have another order.
    """

    planner: Planner
    robot: RobotSpec
    goals: Sequence[Goal] = scenes.SENTENCES
    refuses: Goal | None = scenes.POKES[0]
    depends_on: Sequence[str] = ("seed", "goal")
    remembers: bool = False
    tolerance: float = 1e-4

    def seen(self, step: int = 2) -> Observation:
        return scenes.observe(self.robot, self.planner.spec.image_size, step)

    def first(self, observation: Observation | None = None, goal: Goal | None = None, seed: int = 3,
              samples: int = 1) -> MotionPlan:  # fmt: skip
        """The first plan of an episode."""
        self.planner.reset()
        return self.planner.plan(observation or self.seen(), goal or self.goals[0], seed, samples)


def check_planner(planner: Planner, robot: RobotSpec, **expected: Any) -> None:
    """Put a planner through all checks; `expected` says what is not as PlannerCase has it."""
    for check in PLANNER_CHECKS:
        check(PlannerCase(planner, robot, **expected))


def the_spec_fits_the_robot_and_travels(case):
    spec, robot = case.planner.spec, case.robot
    assert spec.name.strip()
    assert set(spec.views) <= set(robot.views), f"it looks at {spec.views}, {robot.name} has {robot.views}"
    assert len(set(spec.views)) == len(spec.views)
    assert spec.image_size > 0
    assert spec.plan.period_ns == robot.period_ns
    if spec.views:
        assert spec.plan.shape[0] == len(spec.views)
    # A policy in another process reads it from JSON, which numbers of numpy would not survive.
    assert PlanSpec(**json.loads(json.dumps(spec.plan.to_plain()))) == spec.plan


def a_plan_is_what_the_spec_says(case):
    spec, observation, goal = case.planner.spec, case.seen(), case.goals[0]
    plan = case.first(observation, goal)
    assert isinstance(plan, MotionPlan)
    assert plan.spec.kind == spec.plan.kind
    assert (plan.spec.horizon, plan.spec.period_ns) == (spec.plan.horizon, spec.plan.period_ns)
    assert spec.plan.misfit(plan.spec) is None
    fixed = [size is None or size == got for size, got in zip(spec.plan.shape, plan.embedding.shape, strict=True)]
    assert all(fixed), f"an embedding of shape {plan.embedding.shape}, the spec says {spec.plan.shape}"
    assert plan.embeddings.dtype == np.float32
    assert np.isfinite(plan.embeddings).all()
    if spec.plan.kind == "tracks":
        assert plan.tracks.shape[-2:] == (spec.plan.horizon, 2)


def a_plan_is_of_its_observation_and_goal(case):
    for step in (0, 5):
        for goal in case.goals:
            plan = case.first(case.seen(step), goal)
            assert plan.stamp_ns == case.seen(step).stamp_ns
            assert plan.goal == goal


def the_same_observation_goal_and_seed_give_the_same_plan(case):
    first = case.first()
    case.first(case.seen(5), case.goals[1], seed=4)
    np.testing.assert_array_equal(case.first().embeddings, first.embeddings)


def another_seed_or_goal_gives_another_plan_if_it_is_said_to(case):
    plan = case.first()
    for what, other in (("seed", case.first(seed=4)), ("goal", case.first(goal=case.goals[1]))):
        differs = not np.array_equal(other.embeddings, plan.embeddings)
        assert differs == (what in case.depends_on), f"its plans {'' if differs else 'do not '}depend on the {what}"


def more_samples_are_more_futures_and_the_first_is_that_of_one(case):
    several, one = case.first(samples=3), case.first()
    assert len(one.embeddings) == 1
    assert several.embeddings.shape == (3, *one.embeddings.shape[1:])
    np.testing.assert_allclose(several.embeddings[0], one.embeddings[0], atol=case.tolerance)
    if "seed" in case.depends_on:
        rest = several.embeddings[1:]
        assert np.abs(rest - several.embeddings[0]).reshape(2, -1).max(axis=1).min() > 10 * case.tolerance
        assert np.abs(rest[0] - rest[1]).max() > 10 * case.tolerance


def a_plan_keeps_its_numbers_when_the_next_is_made(case):
    plan = case.first()
    kept = plan.embeddings.copy()
    case.planner.plan(case.seen(5), case.goals[1], 4)
    np.testing.assert_array_equal(plan.embeddings, kept)


def reset_forgets(case):
    first = case.first()
    case.planner.observe(case.seen(3))
    case.planner.plan(case.seen(5), case.goals[1], 4)
    np.testing.assert_array_equal(case.first().embeddings, first.embeddings)


def what_was_observed_matters_if_it_remembers_and_else_not(case):
    first = case.first()
    case.planner.reset()
    for step in (0, 1):
        case.planner.observe(case.seen(step))
    after = case.planner.plan(case.seen(), case.goals[0], 3)
    assert np.array_equal(after.embeddings, first.embeddings) != case.remembers


def observations_are_left_as_they_are(case):
    observation = case.seen()
    with scenes.unchanged(observation):
        case.first(observation)
        case.planner.observe(observation)


def a_goal_that_it_can_not_follow_is_named(case):
    if case.refuses is None:
        case.first(goal=scenes.POKES[0])
        case.first(goal=scenes.SENTENCES[0])
        return
    with scenes.refused(str(case.refuses)):
        case.first(goal=case.refuses)


def a_view_that_is_missing_is_named(case):
    for view in case.planner.spec.views:
        observation = case.seen()
        others = {name: image for name, image in observation.images.items() if name != view}
        with scenes.refused(view):
            case.first(dataclasses.replace(observation, images=others))


def what_it_shows_are_tracks_of_the_queries_and_places(case):
    if not isinstance(case.planner, Visible):
        return
    observation, views, horizon = case.seen(), case.planner.spec.plan.shape[0], case.planner.spec.plan.horizon
    queries = np.random.default_rng(0).uniform(-0.9, 0.9, (views, 5, 2)).astype(np.float32)
    asked = queries.copy()
    plan = case.first(observation, samples=2)
    with scenes.unchanged(observation):
        tracks, places = case.planner.show(plan, observation, queries)
    np.testing.assert_array_equal(queries, asked)
    assert tracks.shape == (views, 5, horizon, 2)
    assert np.isfinite(tracks).all()
    assert places.ndim == 3
    assert places.shape[::2] == (views, 2)
    # It is the first future that is drawn, since that is the one that travels.
    alone, _ = case.planner.show(dataclasses.replace(plan, embeddings=plan.embeddings[:1]), observation, queries)
    np.testing.assert_array_equal(alone, tracks)


PLANNER_CHECKS: tuple[Callable[[PlannerCase], None], ...] = (
    the_spec_fits_the_robot_and_travels,
    a_plan_is_what_the_spec_says,
    a_plan_is_of_its_observation_and_goal,
    the_same_observation_goal_and_seed_give_the_same_plan,
    another_seed_or_goal_gives_another_plan_if_it_is_said_to,
    more_samples_are_more_futures_and_the_first_is_that_of_one,
    a_plan_keeps_its_numbers_when_the_next_is_made,
    reset_forgets,
    what_was_observed_matters_if_it_remembers_and_else_not,
    observations_are_left_as_they_are,
    a_goal_that_it_can_not_follow_is_named,
    a_view_that_is_missing_is_named,
    what_it_shows_are_tracks_of_the_queries_and_places,
)
