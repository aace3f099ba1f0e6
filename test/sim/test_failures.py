"""Failures that are acted out: each must get its own name."""

from collections.abc import Callable

import numpy as np
import pytest

from zipmo_sim import suites
from zipmo_sim.experts import make_expert

TASK = "put_can_in_right_bin"
OTHER = "put_bread_in_right_bin"


@pytest.fixture(scope="module")
def bins():
    env = suites.make_env("mini", TASK, image_every=0)
    yield env
    env.close()


@pytest.fixture(scope="module")
def lever():
    env = suites.make_env("mini", "turn_lever_left", image_every=0)
    yield env
    env.close()


def still(gripper: float) -> np.ndarray:
    return np.array([0, 0, 0, 0, 0, 0, gripper])


def go(env, act: Callable[[], np.ndarray], until: Callable[[], bool] = lambda: False, steps: int = 150) -> dict:
    """Failures by task once `until` holds or the steps are over."""
    for _ in range(steps):
        *_, info = env.step(act())
        if until():
            break
    return info["failures"]


def begin(env, init_state: int = 30):
    env.reset(options={"init_state": init_state})
    return make_expert(env, np.random.default_rng(1))


def lifted(env, thing: str, height: float = 0.08) -> Callable[[], bool]:
    start = env.object_poses()[thing][0][2]
    return lambda: env.object_poses()[thing][0][2] > start + height


def place(env, thing: str, position: np.ndarray) -> None:
    """Have a thing be elsewhere, as if it had fallen there."""
    env.sim.data.set_joint_qpos(f"{thing}_joint0", np.array([*position, 1, 0, 0, 0]))
    env.sim.data.set_joint_qvel(f"{thing}_joint0", np.zeros(6))
    env.sim.forward()


def test_a_hand_that_does_nothing_never_reaches_anything(bins, lever):
    for env in (bins, lever):
        begin(env)
        assert set(go(env, lambda: still(-1), steps=5).values()) == {"never_reached"}


def test_on_the_way_with_the_thing_is_timeout_and_the_wrong_object_for_others(bins):
    expert = begin(bins)
    failures = go(bins, expert.act, lifted(bins, "can"))
    assert failures[TASK] == failures["put_can_in_left_bin"] == "timeout"
    assert failures[OTHER] == failures["put_milk_in_left_bin"] == "wrong_object"


def test_letting_go_on_the_way_is_dropped_early(bins):
    expert = begin(bins)
    go(bins, expert.act, lifted(bins, "can"))
    assert go(bins, lambda: still(-1), steps=15)[TASK] == "dropped_early"


def test_losing_it_with_a_shut_hand_is_slipped_and_taking_it_again_is_not(bins):
    expert = begin(bins)
    start = bins.object_poses()["can"][0]
    go(bins, expert.act, lifted(bins, "can"))
    place(bins, "can", start)
    assert go(bins, lambda: still(1), steps=6)[TASK] == "slipped"
    assert go(bins, expert.act, lifted(bins, "can"))[TASK] == "timeout"


def test_what_fell_into_the_right_bin_only_needed_time_and_for_others_it_is_a_wrong_goal(bins):
    expert = begin(bins)
    go(bins, expert.act, lifted(bins, "can"))
    target = bins.fixture_poses()["right_bin"][0] + [0, 0, 0.07]
    place(bins, "can", target)
    failures = go(bins, lambda: still(-1), steps=6)
    assert failures[TASK] == "timeout"
    assert failures["put_can_in_left_bin"] == failures[OTHER] == "wrong_goal"


def test_another_task_that_got_done_is_a_wrong_goal_ever_after(bins):
    expert = begin(bins)
    failures = go(bins, expert.act, bins.success)
    assert failures[OTHER] == failures["put_can_in_left_bin"] == "wrong_goal"
    assert failures[TASK] != "wrong_goal"
    place(bins, "can", bins.fixture_poses()["left_bin"][0] + [0, 0.3, 0.07])
    assert go(bins, lambda: still(-1), steps=6)[OTHER] == "wrong_goal"


def test_the_next_episode_starts_afresh(bins):
    expert = begin(bins)
    go(bins, expert.act, lifted(bins, "can"))
    *_, info = bins.step(still(1))
    assert info["failures"][TASK] != "never_reached"
    _, info = bins.reset(options={"init_state": 31})
    assert info["failures"][TASK] == "never_reached"


def test_a_lever_turned_half_way_and_left_is_slipped(lever):
    expert = begin(lever)
    start = lever.sim.data.get_joint_qpos("lever_hinge")
    failures = go(lever, expert.act, lambda: lever.sim.data.get_joint_qpos("lever_hinge") < start - 0.25)
    assert failures == {"turn_lever_left": "timeout", "turn_lever_right": "wrong_object"}
    away = np.array([0, 0, 1.0, 0, 0, 0, 1])
    assert go(lever, lambda: away, steps=12)["turn_lever_left"] == "slipped"
    assert go(lever, expert.act, lever.success)["turn_lever_right"] == "wrong_goal"


def test_suites_that_cannot_tell_say_nothing(bins):
    from zipmo_sim.env import ManipulationEnv
    from zipmo_sim.suites.mini.scenes import SCENES

    scene = SCENES["lever"]
    env = ManipulationEnv(bins.task, scene.build, scene.place, lambda _: False, image_every=0)
    assert env.reset(options={"init_state": 0})[1]["failures"] == {}
    env.close()
