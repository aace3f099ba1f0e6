"""What every suite of tasks promises, for one of ours or of your own:

    check_suite("mini", zipmo_sim.suites, load_robot())

It makes one environment at a time, renders few images, and closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import scenes

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.pose import problem_of
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import LAST_EPISODE, episode_number
from zipmo_sim.simulator import ANY, Simulator, Suites

IDLE = np.array([0, 0, 0, 0, 0, 0, -1.0])
PUSH = np.array([1.0, -0.5, 0, 0, 0, 0.2, -1.0])


class SuiteCase(NamedTuple):
    """suites: what knows the suite, as the module zipmo_sim.suites does. task: the one that is tried."""

    suite: str
    suites: Suites
    robot: RobotSpec
    task: str | None = None

    @property
    def tried(self) -> Any:
        tasks = self.suites.tasks(self.suite)
        return next((task for task in tasks if task.name == self.task), tasks[0])

    @contextmanager
    def env(self, **options: Any) -> Iterator[Any]:
        env = self.suites.make_env(self.suite, self.tried.name, **options)
        try:
            yield env
        finally:
            env.close()


def check_suite(suite: str, suites: Suites, robot: RobotSpec, task: str | None = None) -> None:
    """Put a suite through all checks, with the environment of `task` (None: its first one)."""
    for check in SUITE_CHECKS:
        check(SuiteCase(suite, suites, robot, task))


def tasks_come_in_order_and_can_be_told_apart(case):
    tasks = case.suites.tasks(case.suite)
    assert tasks
    assert [task.index for task in tasks] == list(range(len(tasks)))
    assert len({task.name for task in tasks}) == len(tasks)
    for task in tasks:
        assert task.suite == case.suite
        assert task.language.strip()
        assert task.scene.strip()
        assert task.max_steps >= 1
        assert task.init_states >= 1
        assert case.suites.task(case.suite, task.name) == task
    tasks.clear()  # what is handed out is the caller's own
    assert case.suites.tasks(case.suite)


def every_episode_has_a_number_of_its_own(case):
    simulator = Simulator(case.suites, {})
    tasks, numbers = case.suites.tasks(case.suite), set()
    for task in tasks:
        ends = (0, task.init_states - 1)
        for state in ends:
            setup = simulator.describe(case.suite, task.name, "", state, seed=0, number=-1, image_every=1)
            assert (setup.task, setup.goal, setup.language) == (task.name, task.name, task.language)
            assert setup.number == episode_number(task.index, state)
            assert 0 <= setup.number < LAST_EPISODE
            assert setup.next_state == (state + 1) % task.init_states
            numbers.add(setup.number)
    assert len(numbers) == sum(min(task.init_states, 2) for task in tasks)
    first = simulator.describe(case.suite, "", "", 0, seed=0, number=5, image_every=1)
    assert (first.task, first.number) == (tasks[0].name, 5)
    assert simulator.describe(case.suite, "", ANY, 0, seed=0, number=-1, image_every=1).goal == ANY


def what_there_is_not_is_named(case):
    for call in (case.suites.task, case.suites.make_env):
        with scenes.refused("no_such_task"):
            call(case.suite, "no_such_task")
    simulator, count = Simulator(case.suites, {}), case.tried.init_states
    for state in (-1, count):
        with scenes.refused(str(state)):
            simulator.describe(case.suite, case.tried.name, "", state, seed=0, number=-1, image_every=1)
    with scenes.refused("no_such_task"):
        simulator.describe(case.suite, case.tried.name, "no_such_task", 0, seed=0, number=-1, image_every=1)


def an_environment_shows_what_the_robot_sees_and_feels(case):
    with case.env(image_every=2) as env:
        seen, info = env.reset(seed=0, options={"init_state": 0})
        _check_seen(case, seen)
        _check_info(case, info, step=0, new=True)
        for step in (1, 2):
            before, kept = seen, {name: array.copy() for name, array in seen.items()}
            seen, reward, terminated, truncated, info = env.step(PUSH)
            _check_seen(case, seen)
            _check_info(case, info, step=step, new=step % 2 == 0)
            assert reward == float(info["success"])
            assert terminated == info["success"]
            assert truncated == (step >= case.tried.max_steps)
            for name, array in kept.items():
                np.testing.assert_array_equal(before[name], array, err_msg=f"step {step} changed an earlier {name}")
        assert not np.array_equal(seen["proprio"], before["proprio"]), "the arm did not move"
        for state in (-1, case.tried.init_states):
            with scenes.refused(str(state)):
                env.reset(seed=0, options={"init_state": state})


def an_initial_state_starts_the_same_to_the_bit_and_so_goes_on(case):
    with case.env(image_every=2) as env:
        first = _roll(env, 1)
        other = _roll(env, 0)
        for name, array in _roll(env, 1).items():
            np.testing.assert_array_equal(array, first[name], err_msg=f"{name} differs when it starts again")
    assert any(not np.array_equal(array, first[name]) for name, array in other.items()), "two initial states are one"


def an_episode_ends_at_the_limit_of_its_steps(case):
    """Through the bookkeeping that all loops share, with stamps that go on by the period."""
    limited = _Limited(case.suites, 2)
    simulator = Simulator(limited, {"image_every": 1})
    try:
        setup = simulator.describe(case.suite, case.tried.name, "", 0, seed=0, number=-1, image_every=2)
        moments = [simulator.begin(setup)]
        while not moments[-1].last:
            moments.append(simulator.step(setup, IDLE))
        assert [moment.observation.step for moment in moments] == [0, 1, 2]
        assert [bool(moment.observation.images) for moment in moments] == [True, False, True]
        assert set(np.diff([moment.observation.stamp_ns for moment in moments])) == {case.robot.period_ns}
        assert moments[-1].done_tasks == (), "the task was done by doing nothing"
    finally:
        simulator.close()


def closing_twice_is_fine(case):
    with case.env(image_every=0) as env:
        env.close()
        env.close()


class _Limited(NamedTuple):
    """The suites with short episodes."""

    suites: Suites
    max_steps: int

    def task(self, suite: str, name: str) -> Any:
        return self.suites.task(suite, name)

    def tasks(self, suite: str) -> list[Any]:
        return self.suites.tasks(suite)

    def make_env(self, suite: str, task_name: str, **options: Any) -> Any:
        return self.suites.make_env(suite, task_name, max_steps=self.max_steps, **options)


def _roll(env: Any, init_state: int) -> dict[str, np.ndarray]:
    """What is seen at an initial state and two steps later."""
    start, _ = env.reset(seed=0, options={"init_state": init_state})
    start = {f"first {name}": array.copy() for name, array in start.items()}
    env.step(PUSH)
    later, *_ = env.step(PUSH)
    return start | {name: array.copy() for name, array in later.items()}


def _check_seen(case: SuiteCase, seen: dict[str, np.ndarray]) -> None:
    assert set(seen) == {*case.robot.views, "proprio", "hand"}
    for view in case.robot.views:
        assert seen[view].dtype == np.uint8
        assert seen[view].shape == (*(case.robot.camera(view).size or (IMAGE_SIZE, IMAGE_SIZE)), 3)
        assert seen[view].std() > 1, f"{view} shows nothing"
    assert seen["proprio"].dtype == np.float32
    assert seen["proprio"].shape == (len(case.robot.proprio_names),)
    assert np.isfinite(seen["proprio"]).all()
    assert seen["hand"].dtype == np.float64
    assert problem_of(seen["hand"]) is None


def _check_info(case: SuiteCase, info: dict[str, Any], step: int, new: bool) -> None:
    of_scene = {task.name for task in case.suites.tasks(case.suite) if task.scene == case.tried.scene}
    assert (info["step"], info["new_views"]) == (step, case.robot.views if new else ())
    assert set(info["done_tasks"]) <= of_scene
    assert set(info.get("failures", {})) <= of_scene  # empty where the suite can't tell
    assert info["success"] == (case.tried.name in info["done_tasks"])


SUITE_CHECKS: tuple[Callable[[SuiteCase], None], ...] = (
    tasks_come_in_order_and_can_be_told_apart,
    every_episode_has_a_number_of_its_own,
    what_there_is_not_is_named,
    an_environment_shows_what_the_robot_sees_and_feels,
    an_initial_state_starts_the_same_to_the_bit_and_so_goes_on,
    an_episode_ends_at_the_limit_of_its_steps,
    closing_twice_is_fine,
)
