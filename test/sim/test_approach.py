"""Episodes that start where the expert of the scene's own task is about to touch something."""

import dataclasses

import numpy as np
import pytest

from zipmo_sim import suites
from zipmo_sim.experts import CLEAR, approach, make_expert
from zipmo_sim.failures import touched_by_hand
from zipmo_sim.simulator import Simulator

STATE, SEED = 30, 7


@pytest.fixture(scope="module")
def simulator():
    simulator = Simulator(suites, {"max_steps": 60})
    yield simulator
    simulator.close()


def begin(simulator, task, goal, **options):
    setup = simulator.describe("mini", task, goal, STATE, SEED, -1, image_every=50, **options)
    return setup, simulator.begin(setup)


@pytest.mark.parametrize(("task", "other"), [("put_can_in_right_bin", "put_bread_in_left_bin"),
                                             ("turn_lever_left", "turn_lever_right")])  # fmt: skip
def test_the_hand_is_where_its_own_task_goes_on_at_once(simulator, task, other):
    _, plain = begin(simulator, task, other)
    at_home = simulator.env.get_state()
    setup, moment = begin(simulator, task, other, approach=True)
    env = simulator.env
    assert not touched_by_hand(env)
    assert moment.observation.step == 0
    assert set(moment.observation.images) == set(env.robot.views)
    assert np.linalg.norm(moment.observation.hand[:3] - plain.observation.hand[:3]) > 0.05
    start = env.get_state()
    expert = make_expert(env, np.random.default_rng(0))
    for _ in range(3 * CLEAR):
        env.step(expert.act())
    assert touched_by_hand(env), "its expert is not about to touch anything"
    _, again = begin(simulator, task, other, approach=True)
    np.testing.assert_array_equal(env.get_state(), start)
    assert all(
        np.array_equal(image, moment.observation.images[view]) for view, image in again.observation.images.items()
    )
    begin(simulator, task, other)
    np.testing.assert_array_equal(env.get_state(), at_home)
    assert setup.goal == other


def test_such_an_episode_lasts_to_the_step_limit(simulator):
    """So that it is seen what else gets done: here, first what the sentence names."""
    task, other = "turn_lever_left", "turn_lever_right"
    setup, moment = begin(simulator, task, task, approach=True)
    expert, done_at = make_expert(simulator.env, np.random.default_rng(0)), None
    while not moment.last:
        moment = simulator.step(setup, expert.act())
        if moment.done_tasks and done_at is None:
            done_at = moment.observation.step
    assert done_at < moment.observation.step == 60
    assert setup.achieved(moment.done_tasks)
    assert moment.failure is None
    setup, moment = begin(simulator, task, other, approach=True)
    while not moment.last:
        moment = simulator.step(setup, expert.act())
    assert (moment.done_tasks, moment.failure) == ((task,), "wrong_goal")


def test_a_suite_without_expert_is_refused(monkeypatch):
    monkeypatch.setitem(suites.SUITES, "bare", dataclasses.replace(suites.SUITES["mini"], expert=None))

    class Bare:
        image_every, init_state = 1, 0
        task = next(task for task in suites.tasks("mini"))

        def reset(self, options):
            """Nothing."""

    bare = Bare()
    bare.task = type(bare.task)("bare", 0, "any", "any", "any", 9)
    with pytest.raises(ValueError, match="no scripted expert for bare, only for mini"):
        approach(bare, 0)
