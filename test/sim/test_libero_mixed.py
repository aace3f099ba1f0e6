"""libero_object_mixed: the same six things in every layout of a scene, and only the sentence says which to take."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from zipmo_ros.evaluation.episodes import draw_episodes, swap
from zipmo_sim import suites
from zipmo_sim.experts import make_expert
from zipmo_sim.suites.libero.env import LiberoEnv
from zipmo_sim.suites.libero.mixed import arrangements

SUITE = "libero_object_mixed"
pytestmark = pytest.mark.libero


def thing(name: str) -> str:
    return name.removeprefix("pick_").partition("_in_scene_")[0]


def test_every_scene_has_six_tasks_that_name_different_things():
    tasks = suites.tasks(SUITE)
    assert [task.index for task in tasks] == list(range(60))
    assert len({task.name for task in tasks}) == 60
    assert Counter(task.scene for task in tasks) == {f"scene_{scene}": 6 for scene in range(10)}
    assert len({(task.scene, task.language) for task in tasks}) == 60
    for task in tasks:
        assert task.language == f"pick up the {thing(task.name).replace('_', ' ')} and place it in the basket"


def test_another_sentence_of_the_scene_can_be_told():
    tasks = suites.tasks(SUITE)
    (episode,) = draw_episodes(tasks[7:8], 1, seed=3, tell=swap(tasks))
    told = suites.task(SUITE, episode.instructed_task)
    assert told.name != episode.task
    assert told.scene == tasks[7].scene
    assert episode.instruction == told.language


def test_layouts_of_a_scene_are_fifty_different_shuffles():
    for scene in ("scene_0", "scene_9"):
        order = arrangements(scene)
        assert order.shape == (50, 6)
        assert (np.sort(order, axis=1) == np.arange(6)).all()
        assert len(np.unique(order, axis=0)) == 50
        # no place gives the thing away: each thing stands in every place
        assert all(set(column) == set(range(6)) for column in order.T)
    assert not np.array_equal(arrangements("scene_0"), arrangements("scene_9"))


class TestEnvironment:
    @pytest.fixture
    def env(self) -> Iterator[LiberoEnv]:
        env = suites.make_env(SUITE, "pick_butter_in_scene_7", image_every=0)
        yield env
        env.close()

    def layout(self, env: LiberoEnv, index: int) -> dict[str, np.ndarray]:
        env.reset(options={"init_state": index})
        return {name: position for name, (position, _) in env.object_poses().items() if name != "basket_1"}

    def test_things_stand_apart_and_a_layout_repeats(self, env):
        first, other, again = (self.layout(env, index) for index in (30, 31, 30))
        assert set(first) == {f"{thing(task.name)}_1" for task in suites.tasks(SUITE) if task.scene == env.task.scene}
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert max(np.linalg.norm(first[name] - other[name]) for name in first) > 0.1
        for places in (first, other):
            flat = np.array(list(places.values()))[:, :2]
            apart = np.linalg.norm(flat[:, None] - flat[None], axis=2) + np.eye(6)
            assert apart.min() > 0.08
            # each still has the height at which it stands, so none has fallen over
            assert all(abs(places[name][2] - first[name][2]) < 0.003 for name in first)

    def test_landmarks_say_where_each_sentence_points(self, env):
        env.reset(options={"init_state": 26})
        marks = env.landmarks()
        poses = env.object_poses()
        assert list(marks) == [task.name for task in suites.tasks(SUITE) if task.scene == env.task.scene]
        for name, (start, goal) in marks.items():
            assert np.array_equal(start, poses[f"{thing(name)}_1"][0])
            assert np.array_equal(goal, poses["basket_1"][0])

    def test_the_expert_takes_the_thing_that_is_named(self, env):
        _, info = env.reset(seed=0, options={"init_state": 30})
        assert info["failures"] == dict.fromkeys(env.landmarks(), "never_reached")
        expert = make_expert(env, np.random.default_rng(0), noise=0.1)
        terminated = truncated = False
        while not (terminated or truncated):
            _, _, terminated, truncated, info = env.step(expert.disturb(expert.act()))
        assert info["done_tasks"] == ("pick_butter_in_scene_7",)
        assert info["failures"]["pick_milk_in_scene_7"] == "wrong_goal"
