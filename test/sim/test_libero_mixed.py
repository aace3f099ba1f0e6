"""libero_object_mixed and libero_spatial_mixed: only the sentence says which of a scene's things to take."""

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

    def test_after_the_shuffles_come_layouts_of_our_own(self, env):
        stored, drawn, again = (self.layout(env, index) for index in (30, 100, 100))
        assert all(np.array_equal(drawn[name], again[name]) for name in drawn)
        assert max(np.linalg.norm(drawn[name][:2] - stored[name][:2]) for name in drawn) > 0.1
        assert env.task.stored == 50  # no demonstration may start there

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


BOWLS = "libero_spatial_mixed"


def test_the_sentences_of_a_scene_are_those_that_libero_has_elsewhere():
    for suite, mixed in (("libero_object", SUITE), ("libero_spatial", BOWLS)):
        told = {task.language for task in suites.tasks(suite)}
        for number, task in enumerate(suites.tasks(suite)):
            ours = [other.language for other in suites.tasks(mixed) if other.scene == f"scene_{number}"]
            assert suites.sentences(task) == ours
            assert ours[0] == task.language
            assert set(ours) <= told


def test_the_second_bowl_is_a_task_of_its_own():
    """On the cookie box, while the suite's own task is about the one on the ramekin."""
    env = suites.make_env(BOWLS, "pick_akita_black_bowl_2_in_scene_5", image_every=0)
    try:
        env.reset(options={"init_state": 101})
        assert env.task.language == "pick up the black bowl on the cookie box and place it on the plate"
        (first, goal), (second, same) = env.landmarks().values()
        poses = env.object_poses()
        assert np.array_equal(first, poses["akita_black_bowl_1"][0])
        assert np.array_equal(second, poses["akita_black_bowl_2"][0])
        assert np.array_equal(goal, same)
        expert = make_expert(env, np.random.default_rng(0), noise=0.0)
        done = truncated = False
        while not (done or truncated):
            _, _, done, truncated, info = env.step(expert.act())
        assert info["done_tasks"] == ("pick_akita_black_bowl_2_in_scene_5",)
    finally:
        env.close()


def test_a_benchmark_task_points_at_the_others_too():
    task = suites.tasks("libero_object")[7]
    env = suites.make_env("libero_object", task.name, image_every=0)
    try:
        env.reset(options={"init_state": 100})
        marks = env.landmarks()
        assert [suites.sentence("libero_object", name) for name in marks] == suites.sentences(task)
        poses = env.object_poses()
        for told, (start, goal) in marks.items():
            called = suites.sentence("libero_object", told).removeprefix("pick up the ").partition(" and")[0]
            assert np.array_equal(start, poses[f"{called.replace(' ', '_')}_1"][0])
            assert np.array_equal(goal, poses["basket_1"][0])
    finally:
        env.close()
