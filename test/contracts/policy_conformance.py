"""What every Policy of the contract promises, for one of ours or of your own:

check_policy(MyPolicy(...), load_robot())
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scenes

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.plan import MotionPlan, PlanSpec, track_spec
from zipmo_ros.contract.protocols import Policy
from zipmo_ros.contract.robot import RobotSpec

POINTS = 40  # of a plan of tracks


class PolicyCase(NamedTuple):
    """goals: two that it takes. refuses: one that it does not; None: it takes any, or does not read it."""

    policy: Policy
    robot: RobotSpec
    goals: Sequence[Goal] = scenes.SENTENCES
    refuses: Goal | None = None

    def seen(self, step: int = 2) -> Observation:
        return scenes.observe(self.robot, self.policy.spec.image_size, step)

    def plan(self, step: int = 2, spec: PlanSpec | None = None) -> MotionPlan | None:
        """A random plan of what the policy takes, or of another spec."""
        spec = spec or self.policy.spec.plan
        if spec is None:
            return None
        shape = (spec.shape[0], spec.shape[1] or POINTS, *spec.shape[2:])
        embeddings = np.random.default_rng(step).normal(0, 0.3, (1, *shape)).astype(np.float32)
        return MotionPlan(self.seen(step).stamp_ns, self.goals[0], spec, embeddings)

    def tracks(self, horizon: int | None = None) -> MotionPlan:
        """A random plan of tracks alone, for a policy that takes a plan."""
        spec = self.policy.spec.plan
        return self.plan(spec=track_spec(spec.shape[0], horizon or spec.horizon, spec.period_ns))

    def first(self, observation: Observation | None = None, plan: MotionPlan | None = None) -> np.ndarray:
        """The first chunk of an episode."""
        self.policy.reset()
        return self.policy.act(observation or self.seen(), self.goals[0], plan or self.plan())

    def go_on(self) -> None:
        """Another chunk, of everything else than the first one."""
        self.policy.act(self.seen(6), self.goals[1], self.plan(6))


def check_policy(policy: Policy, robot: RobotSpec, **expected: Any) -> None:
    """Put a policy through all checks; `expected` says what is not as PolicyCase has it."""
    for check in POLICY_CHECKS:
        check(PolicyCase(policy, robot, **expected))


def check_chunk(case: PolicyCase, chunk: np.ndarray) -> None:
    """An array of actions as they are executed."""
    assert chunk.shape == (case.policy.spec.chunk, 7)
    assert chunk.dtype == np.float64
    assert np.isfinite(chunk).all()
    assert np.abs(chunk).max() <= 1


def the_spec_fits_the_robot(case):
    spec, robot = case.policy.spec, case.robot
    assert spec.name.strip()
    assert spec.chunk >= 1
    assert set(spec.views) <= set(robot.views), f"it looks at {spec.views}, {robot.name} has {robot.views}"
    assert spec.image_size > 0
    assert spec.proprio in (0, len(robot.proprio_names))
    assert spec.plan is not None or not spec.encodes
    if spec.plan is not None:
        assert spec.plan.period_ns == robot.period_ns
        assert not spec.encodes or spec.plan.kind == "latents"


def a_chunk_is_what_the_spec_says(case):
    check_chunk(case, case.first())


def a_chunk_stays_within_bounds_whatever_comes(case):
    plan, observation = case.plan(), case.seen()
    if plan is not None:
        plan = dataclasses.replace(plan, embeddings=plan.embeddings * np.float32(1e3))
    check_chunk(case, case.first(dataclasses.replace(observation, proprio=observation.proprio * np.float32(100)), plan))


def the_same_gives_the_same_chunk(case):
    first = case.first()
    case.go_on()
    np.testing.assert_array_equal(case.first(), first)


def a_chunk_keeps_its_numbers_when_the_next_is_made(case):
    chunk = case.first()
    kept = chunk.copy()
    case.go_on()
    np.testing.assert_array_equal(chunk, kept)


def what_it_is_given_is_left_as_it_is(case):
    observation, plan = case.seen(), case.plan()
    with scenes.unchanged(observation):
        case.first(observation, plan)
    if plan is not None:
        np.testing.assert_array_equal(plan.embeddings, case.plan().embeddings)


def only_the_first_future_is_executed(case):
    plan = case.plan()
    if plan is None:
        return
    more = np.concatenate([plan.embeddings, case.plan(6).embeddings])
    np.testing.assert_array_equal(case.first(plan=dataclasses.replace(plan, embeddings=more)), case.first(plan=plan))


def no_plan_is_enough_exactly_where_the_spec_says_so(case):
    case.policy.reset()
    if case.policy.spec.plan is None:
        check_chunk(case, case.policy.act(case.seen(), case.goals[0], None))
        return
    with scenes.refused("plan"):
        case.policy.act(case.seen(), case.goals[0], None)


def a_plan_that_does_not_fit_is_named(case):
    spec = case.policy.spec.plan
    if spec is None:
        return
    views, sites, width, channels = spec.shape
    others = [
        dataclasses.replace(spec, period_ns=2 * spec.period_ns),
        dataclasses.replace(spec, shape=(views + 1, sites, width, channels)),
    ]
    if spec.kind == "latents":
        others += [
            dataclasses.replace(spec, horizon=spec.horizon + 1),
            dataclasses.replace(spec, shape=(views, sites, width, channels + 1)),
        ]
    else:
        others.append(track_spec(views, spec.horizon + 1, spec.period_ns))
    for other in others:
        assert case.policy.spec.misfit(other)
        with scenes.refused("plan"):
            case.first(plan=case.plan(spec=other))


def tracks_alone_are_taken_exactly_where_the_spec_says_so(case):
    spec = case.policy.spec
    if spec.plan is None or spec.plan.kind == "tracks":
        return
    if not spec.encodes:
        with scenes.refused("plan"):
            case.first(plan=case.tracks())
        return
    chunk = case.first(plan=case.tracks())
    check_chunk(case, chunk)
    np.testing.assert_array_equal(case.first(plan=case.tracks()), chunk)
    with scenes.refused("plan"):
        case.first(plan=case.tracks(horizon=spec.plan.horizon + 1))
    with scenes.refused(case.robot.views[-1]):
        case.first(_without(case.seen(), case.robot.views[-1]), case.tracks())


def proprioception_that_does_not_fit_is_named(case):
    observation = case.seen()
    wrong = dataclasses.replace(observation, proprio=observation.proprio[:-1])
    if case.policy.spec.proprio:
        with scenes.refused("proprio"):
            case.first(wrong)
    else:
        check_chunk(case, case.first(wrong))


def a_view_that_is_missing_is_named(case):
    for view in case.policy.spec.views:
        with scenes.refused(view):
            case.first(_without(case.seen(), view))


def a_goal_that_it_can_not_follow_is_named(case):
    case.policy.reset()
    if case.refuses is None:
        for goal in (scenes.SENTENCES[0], scenes.POKES[0]):
            check_chunk(case, case.policy.act(case.seen(), goal, case.plan()))
        return
    with scenes.refused(str(case.refuses)):
        case.policy.act(case.seen(), case.refuses, case.plan())


def images_are_not_needed_where_the_spec_names_no_view(case):
    if not case.policy.spec.views:
        check_chunk(case, case.first(dataclasses.replace(case.seen(), images={})))


def _without(observation: Observation, view: str) -> Observation:
    others = {name: image for name, image in observation.images.items() if name != view}
    return dataclasses.replace(observation, images=others)


POLICY_CHECKS: tuple[Callable[[PolicyCase], None], ...] = (
    the_spec_fits_the_robot,
    a_chunk_is_what_the_spec_says,
    a_chunk_stays_within_bounds_whatever_comes,
    the_same_gives_the_same_chunk,
    a_chunk_keeps_its_numbers_when_the_next_is_made,
    what_it_is_given_is_left_as_it_is,
    only_the_first_future_is_executed,
    no_plan_is_enough_exactly_where_the_spec_says_so,
    a_plan_that_does_not_fit_is_named,
    tracks_alone_are_taken_exactly_where_the_spec_says_so,
    proprioception_that_does_not_fit_is_named,
    a_view_that_is_missing_is_named,
    a_goal_that_it_can_not_follow_is_named,
    images_are_not_needed_where_the_spec_names_no_view,
)
