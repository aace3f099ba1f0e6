"""Which episodes are drawn and what is said of them."""

import math

import pytest

from zipmo_sim.evaluation import Outcome, draw_episodes, summarise, table, wilson_interval
from zipmo_sim.suites import Task


def make_tasks():
    return [
        Task("toy", i, name, f"do {name}", scene, 10)
        for i, (name, scene) in enumerate([("a", "one"), ("b", "one"), ("c", "two"), ("d", "two")])
    ]


def test_wilson_interval_known_values():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    low, high = wilson_interval(38, 50)  # textbook: [0.626, 0.857]
    assert math.isclose(low, 0.6259, abs_tol=1e-3)
    assert math.isclose(high, 0.8570, abs_tol=1e-3)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)


def test_same_seed_same_episodes_and_only_evaluation_states():
    first, again = (draw_episodes(make_tasks(), 20, seed=7) for _ in range(2))
    assert first == again
    assert first != draw_episodes(make_tasks(), 20, seed=8)
    assert all(25 <= episode.init_state < 50 for episode in first)
    assert len({episode.number for episode in first}) == 80
    assert len({episode.init_state for episode in first if episode.task == "a"}) == 20


def test_more_episodes_than_states_stay_unique():
    episodes = draw_episodes(make_tasks()[:1], 60, seed=0)
    assert len({episode.number for episode in episodes}) == 60


def test_swap_names_another_task_of_the_same_scene():
    scenes = {task.name: task.scene for task in make_tasks()}
    for episode in draw_episodes(make_tasks(), 5, seed=1, swap=True):
        assert episode.instructed_task != episode.task
        assert scenes[episode.instructed_task] == scenes[episode.task]
        assert episode.instruction == f"do {episode.instructed_task}"
    with pytest.raises(ValueError, match="needs another task"):
        draw_episodes(make_tasks()[:1], 5, seed=1, swap=True)


def test_crashes_are_counted_apart_from_failures():
    episodes = draw_episodes(make_tasks()[:1], 4, seed=0)
    results = [(True, None), (False, None), (False, "ValueError: broken"), (True, None)]
    outcomes = [
        Outcome.of(episode, success=success, original_success=success, steps=5, error=error)
        for episode, (success, error) in zip(episodes, results, strict=True)
    ]
    report = summarise(outcomes, suite="toy", via="direct", seed=0, swap=False, checkpoint="x", hashes={})
    assert report["success_rate"] == pytest.approx(2 / 3)
    assert report["crashes"] == 1
    assert report["tasks"]["a"]["episodes"] == 4
    assert {"protocol", "suite", "via", "seed", "checkpoint", "hashes", "wilson95", "episodes"} <= set(report)
    assert {"task", "init_state", "seed", "success", "steps", "error"} <= set(report["episodes"][0])
    assert "crashed" in table(report)
