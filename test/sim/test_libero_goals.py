"""Experts of goals by predicates, and layouts of LIBERO's scenes that we draw ourselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from zipmo_ros.evaluation.collection import count_attempts
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.experts import make_expert
from zipmo_sim.suites.libero.furniture import Drawer
from zipmo_sim.suites.libero.steps import due, steps

pytestmark = pytest.mark.libero


@contextmanager
def made(suite: str, index: int) -> Iterator[ManipulationEnv]:
    env = suites.make_env(suite, suites.tasks(suite)[index].name, image_every=0)
    try:
        yield env
    finally:
        env.close()


class Scene:
    """What is asked of a robosuite environment about a goal: what holds already, and which regions are drawers."""

    def __init__(self, *goal: str, holds: tuple[str, ...] = (), drawers: tuple[str, ...] = ()):
        self.goal = [part.split() for part in goal]
        self._holds = holds
        self.object_sites_dict = dict.fromkeys(drawers, type("Site", (), {"joints": ["slide"]}))

    def _eval_predicate(self, predicate: tuple[str, ...]) -> bool:
        return " ".join(predicate) in self._holds


def order(scene: Scene) -> list[str]:
    return [" ".join(step) for step in steps(scene, scene.goal)]


def test_what_is_due_is_the_first_step_that_does_not_hold_and_no_drawer_is_opened_again_behind_what_went_in():
    def step(*holds: str) -> str:
        scene = Scene("close drawer", "in bowl drawer", holds=holds, drawers=("drawer",))
        return " ".join(due(scene, scene.goal))

    assert [step("close drawer"), step("open drawer")] == ["open drawer", "in bowl drawer"]
    assert [step("open drawer", "in bowl drawer"), step("in bowl drawer")] == ["close drawer"] * 2
    assert step("in bowl drawer", "close drawer") == "close drawer"  # all is done


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
        thing, goal = env.landmarks()[env.task.name]
        assert np.linalg.norm(thing - goal) < 0.1  # what it points at came to where it pointed


def test_landmarks_follow_the_step_that_is_due():
    with made("libero_goal", 3) as env:
        env.reset(options={"init_state": 50})
        bowl, plate = (env.object_poses()[name][0] for name in ("akita_black_bowl_1", "plate_1"))
        before = env.landmarks()
        told = [suites.sentence(env.task.suite, name) for name in before]
        assert told == suites.sentences(env.task)
        assert len(told) == 10
        assert np.array_equal(before["put_the_bowl_on_the_plate"], [bowl, plate])
        knob, turned = before["turn_on_the_stove"]
        assert np.linalg.norm(knob - turned) < 0.03

        shut, drawn = before[env.task.name]
        assert np.linalg.norm(drawn - shut) == pytest.approx(0.15, abs=0.01)
        drawer = Drawer(env.robosuite, "wooden_cabinet_1_top_region")
        env.sim.data.set_joint_qpos(env.sim.model.joint_id2name(drawer.joint), -0.15)
        env.sim.forward()
        np.testing.assert_allclose(drawer.grip, drawn, atol=1e-6)
        thing, inside = env.landmarks()[env.task.name]
        assert np.array_equal(thing, bowl)
        assert np.linalg.norm((inside - drawn)[:2]) < 0.15


def test_suites_that_share_a_scene_share_its_sentences():
    task = next(task for task in suites.tasks("libero_10") if task.scene == "KITCHEN_SCENE3")
    twins = [other for other in suites.tasks("libero_90") if other.scene == task.scene]
    assert suites.sentences(task) == [task.language, *(twin.language for twin in twins)]
    assert suites.sentences(twins[0]) == [*(twin.language for twin in twins), task.language]
    swapped = next(other for other in suites.tasks("libero_10_swap") if other.name == task.name)
    assert suites.sentences(swapped) == [task.language]  # its things stand elsewhere


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


@pytest.mark.parametrize(("suite", "index"), [("libero_spatial", 0), ("libero_90", 39)])
def test_things_whose_place_a_sentence_of_the_scene_names_stay_near_it(suite, index):
    with made(suite, index) as env:
        for layout in (100, 101, 102):
            env.reset(options={"init_state": layout})
            drawn = env.object_poses()
            env.reset(options={"init_state": 0})
            for name, (position, _) in env.object_poses().items():
                assert np.linalg.norm((drawn[name][0] - position)[:2]) < 0.1


@pytest.mark.parametrize("index", [4, 7, 9])  # in a drawer, on the stove, on the cabinet
def test_what_stands_on_or_in_furniture_does_so_in_our_layouts_too(index):
    with made("libero_spatial", index) as env:
        places = {}
        for layout in (0, 100, 101):
            env.reset(options={"init_state": layout})
            furniture = {name: position for name, (position, _) in env.fixture_poses().items() if name != "robot0_base"}
            for bowl in ("akita_black_bowl_1", "akita_black_bowl_2"):
                at = env.object_poses()[bowl][0]
                under = min(furniture, key=lambda name: np.linalg.norm((furniture[name] - at)[:2]))
                places[layout, bowl] = (under, at - furniture[under])
    for (layout, bowl), (under, offset) in places.items():
        assert under == places[0, bowl][0] != "table"
        assert np.linalg.norm(offset - places[0, bowl][1]) < 0.1, (layout, bowl)
