"""Experts of goals by predicates, and layouts of LIBERO's scenes that we draw ourselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from zipmo_ros.evaluation.collection import count_attempts
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts import make_expert
from zipmo_sim.experts.goals import plan

pytestmark = pytest.mark.libero


@contextmanager
def made(suite: str, index: int) -> Iterator[ManipulationEnv]:
    env = suites.make_env(suite, suites.tasks(suite)[index].name, image_every=0)
    try:
        yield env
    finally:
        env.close()


class Scene:
    """What plan() asks of an environment: a goal, and what holds already."""

    def __init__(self, *goal: str, holds: tuple[str, ...] = (), drawers: tuple[str, ...] = ()):
        self.predicates = tuple(tuple(part.split()) for part in goal)
        self._holds = holds
        drawer = type("Site", (), {"joints": ["slide"]})
        self.robosuite = type("Scene", (), {"object_sites_dict": dict.fromkeys(drawers, drawer)})

    def holds(self, *predicate: str) -> bool:
        return " ".join(predicate) in self._holds


def order(scene: Scene) -> list[str]:
    return [" ".join(step) for step in plan(scene)]


def test_a_shut_drawer_is_opened_before_and_shut_after_something_goes_into_it():
    goal = ("close drawer", "in bowl drawer")
    assert order(Scene(*goal, drawers=("drawer",))) == ["open drawer", "in bowl drawer", "close drawer"]
    assert order(Scene(*goal, holds=("open drawer",), drawers=("drawer",))) == ["in bowl drawer", "close drawer"]


def test_what_is_in_the_way_comes_first_and_supports_before_loads():
    assert order(Scene("on bowl top", "close drawer")) == ["close drawer", "on bowl top"]
    assert order(Scene("on moka stove", "turnon stove")) == ["turnon stove", "on moka stove"]
    assert order(Scene("on upper lower", "in lower tray")) == ["in lower tray", "on upper lower"]


@pytest.mark.parametrize(
    ("suite", "index", "state"),
    [
        ("libero_goal", 3, 50),  # a drawer, and into it a bowl by its rim
        ("libero_goal", 7, 51),  # a knob
        ("libero_90", 33, 50),  # a door
    ],
)
def test_experts_bring_about_what_a_goal_asks_for(suite, index, state):
    with made(suite, index) as env:
        _, info = env.reset(options={"init_state": state})
        assert not info["success"]
        expert = make_expert(env, np.random.default_rng(0), noise=0.1)
        over = False
        while not over:
            clean = expert.act()
            assert np.abs(clean).max() <= 1.0
            _, _, solved, truncated, _ = env.step(expert.disturb(clean))
            over = solved or truncated
        assert solved


def test_tasks_that_no_skill_can_do_are_told_apart(tmp_path):
    shelf = next(task.name for task in suites.tasks("libero_90") if task.name.endswith("under_the_cabinet_shelf"))
    with pytest.raises(ValueError, match=f"no scripted expert for {shelf}: nothing is put into a shelf"):
        count_attempts("libero_90", [shelf], 1, tmp_path, 0, None)
    every, covered = len(suites.tasks("libero_90")), count_attempts("libero_90", None, 1, tmp_path, 0, None)[0]
    assert every / 2 < covered < every


def test_our_layouts_are_repeatable_and_leave_the_goal_to_be_done():
    with made("libero_object", 0) as env:
        seen = {}
        for index in (100, 101, 100, 3):
            _, info = env.reset(options={"init_state": index})
            places = np.array([pose[0] for _, pose in sorted(env.object_poses().items())])
            assert not info["success"]
            assert np.array_equal(seen.setdefault(index, places), places)
    moved = [np.linalg.norm((seen[index] - seen[3])[:, :2], axis=1) for index in (100, 101)]
    assert all(np.sort(far)[-2] > 0.05 for far in moved)  # some stand somewhere else altogether
    assert np.abs(seen[100] - seen[101]).max() > 0.05
    for index in (100, 101):  # upright, on the floor, and apart
        assert np.abs(seen[index][:, 2] - seen[3][:, 2]).max() < 0.01
        apart = np.linalg.norm(seen[index][:, None, :2] - seen[index][None, :, :2], axis=-1)
        assert apart[~np.eye(len(apart), dtype=bool)].min() > 0.03


def test_things_whose_place_the_sentence_names_stay_near_it():
    with made("libero_spatial", 0) as env:
        for index in (100, 101, 102):
            env.reset(options={"init_state": index})
            drawn = env.object_poses()
            env.reset(options={"init_state": 0})
            for name, (position, _) in env.object_poses().items():
                assert np.linalg.norm((drawn[name][0] - position)[:2]) < 0.1
