"""LIBERO suites: tasks, assets, the environment, scripted episodes."""

import os
import subprocess
import sys
import threading
import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zipmo_ros.apps.doctor import check_libero
from zipmo_ros.evaluation.collection import count_attempts, usual_states
from zipmo_sim import suites
from zipmo_sim.experts import make_expert
from zipmo_sim.suites.libero import assets as libero_assets
from zipmo_sim.suites.libero.assets import (
    AssetsNotFoundError,
    asset_hash,
    find_assets,
    kind_of_assets,
)
from zipmo_sim.suites.libero.env import LiberoEnv, init_states, make_env

SIM = Path(__file__).resolve().parents[2] / "sim"
COUNTS = {"libero_spatial": 10, "libero_object": 10, "libero_goal": 10, "libero_10": 10, "libero_90": 90}
pytestmark = pytest.mark.libero


def actions(count: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (count, 7))


def run(env: LiberoEnv, init_state: int) -> tuple[np.ndarray, np.ndarray]:
    """States [T, S] and images [T, 2, H, W, 3] of an episode of fixed actions."""
    observation, _ = env.reset(seed=7, options={"init_state": init_state})
    states, images = [env.get_state()], [[observation["agentview"], observation["eye_in_hand"]]]
    for action in actions(6):
        observation, *_ = env.step(action)
        states.append(env.get_state())
        images.append([observation["agentview"], observation["eye_in_hand"]])
    return np.array(states), np.array(images)


@pytest.fixture
def env() -> Iterator[LiberoEnv]:
    """Goal has fixtures with drawn poses, a drawer and a stove: what is hardest to repeat."""
    env = make_env(suites.tasks("libero_goal")[7])
    yield env
    env.close()


# -- tasks: need the wheel, no assets ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ([1000], "libero_spatial has init states 0-999"),
        ([24, 100], "0-49 of libero_spatial are the benchmark's own, kept for evaluation, got \\[24\\]"),
        ([99, 100], "50-99 are kept for choosing settings"),
    ],
)
def test_demonstrations_start_from_layouts_of_our_own_alone(tmp_path, states, message):
    with pytest.raises(ValueError, match=message):
        count_attempts("libero_spatial", None, 1, tmp_path, 0, states)
    assert count_attempts("libero_spatial", None, 1, tmp_path, 0, None) == (10, 10)
    assert usual_states("libero_spatial")[0] == 100


@pytest.mark.parametrize("suite", COUNTS)
def test_a_suite_lists_its_tasks_in_order(suite):
    tasks = suites.tasks(suite)
    assert [task.index for task in tasks] == list(range(COUNTS[suite]))
    assert len({task.name for task in tasks}) == COUNTS[suite]
    for task in tasks:
        assert task.suite == suite
        assert task.name.endswith(task.language.replace(" ", "_"))
        assert "SCENE" not in task.language
        for kind, ending in (("bddl_files", "bddl"), ("init_files", "pruned_init.npz")):
            assert (libero_assets.task_folder(kind) / suite / f"{task.name}.{ending}").is_file()


def test_tasks_share_a_scene_where_libero_does():
    scenes = {suite: {task.scene for task in suites.tasks(suite)} for suite in COUNTS}
    assert {suite: len(found) for suite, found in scenes.items()} == {
        "libero_spatial": 10,
        "libero_object": 10,
        "libero_goal": 1,
        "libero_10": 9,
        "libero_90": 20,
    }
    assert "KITCHEN_SCENE10" in scenes["libero_90"]


def test_unknown_suite_is_named():
    with pytest.raises(ValueError, match="libero_11"):
        suites.tasks("libero_11")


def test_init_states_are_fifty_different_ones():
    states = init_states(suites.tasks("libero_object")[4])
    assert (states.shape, states.dtype) == ((50, 110), np.float64)
    assert len(np.unique(states, axis=0)) == 50
    with pytest.raises(ValueError, match="read-only"):
        states[0] = 0


# -- assets --------------------------------------------------------------------------------------------------


def test_wrong_assets_are_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "scenes").mkdir()
    with pytest.raises(AssetsNotFoundError, match=r"stable_hope_objects.*ZIPMO_LIBERO_ASSETS"):
        find_assets(tmp_path)
    monkeypatch.setenv("ZIPMO_LIBERO_ASSETS", str(tmp_path / "absent"))
    with pytest.raises(AssetsNotFoundError, match="absent"):
        find_assets()  # the default is not tried in place of a wrong setting
    with pytest.raises(AssetsNotFoundError, match="absent"):
        suites.make_env("libero_object", suites.tasks("libero_object")[0].name)


def test_the_wheels_bring_the_originals(monkeypatch):
    monkeypatch.delenv("ZIPMO_LIBERO_ASSETS", raising=False)
    assert kind_of_assets(asset_hash()) == "original"
    monkeypatch.setattr(libero_assets._library(), "find_spec", lambda name: None)
    with pytest.raises(AssetsNotFoundError, match=r"All five.*sim-nodeps"):
        find_assets()


def test_the_argument_wins_over_the_variable(tmp_path, monkeypatch):
    for name in libero_assets.ASSET_FOLDERS:
        (tmp_path / "mine" / name).mkdir(parents=True)
    monkeypatch.setenv("ZIPMO_LIBERO_ASSETS", str(tmp_path / "absent"))
    assert find_assets(tmp_path / "mine") == tmp_path / "mine"


def test_the_hash_follows_names_and_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(libero_assets, "_cache_dir", lambda: tmp_path / "cache")
    for copy in "ab":
        for name in libero_assets.ASSET_FOLDERS:
            (tmp_path / copy / name).mkdir(parents=True)
        (tmp_path / copy / "scenes" / "table.xml").write_text("<mujoco/>")
    first = asset_hash(tmp_path / "a")
    assert asset_hash(tmp_path / "b") == first  # the place does not matter
    (tmp_path / "b" / "scenes" / "table.xml").write_text("<mujoco />")
    libero_assets._asset_hash.cache_clear()
    assert asset_hash(tmp_path / "b") != first
    assert kind_of_assets(first) == "other"


def test_a_folder_of_the_user_s_own_is_what_libero_loads(tmp_path, monkeypatch):
    """In a process of its own, since LIBERO takes one folder; its own configuration file has no say."""
    monkeypatch.delenv("ZIPMO_LIBERO_ASSETS", raising=False)
    mine = tmp_path / "mine"
    mine.mkdir()
    for entry in find_assets().iterdir():
        (mine / entry.name).symlink_to(entry)
    (tmp_path / "config.yaml").write_text("assets: /nowhere")
    code = (
        "from zipmo_sim.suites.libero.assets import find_assets, import_envs\n"
        "print(import_envs(find_assets()).OBJECTS_DICT['milk']().asset.find('mesh').get('file'))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"ZIPMO_LIBERO_ASSETS": str(mine), "LIBERO_CONFIG_PATH": str(tmp_path), "PYTHONPATH": str(SIM)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(mine))


def test_doctor_says_which_assets_load(tmp_path, monkeypatch):
    monkeypatch.delenv("ZIPMO_LIBERO_ASSETS", raising=False)
    found = check_libero(Namespace(libero_assets=None))
    assert found == f"original (hash {libero_assets.ORIGINAL[:12]}), in {find_assets()}"
    for name in libero_assets.ASSET_FOLDERS:
        (tmp_path / name).mkdir()
    with pytest.raises(RuntimeError, match=str(tmp_path)):  # the first file that is missing
        check_libero(Namespace(libero_assets=tmp_path))


def test_libero_leaves_robosuite_s_controllers_alone_and_takes_one_folder(tmp_path):
    libero_assets.import_envs(find_assets())
    from robosuite.controllers.base_controller import Controller

    assert Controller.update.__module__ == Controller.__module__
    with pytest.raises(RuntimeError, match="one folder"):
        libero_assets.import_envs(tmp_path)


# -- the environment -----------------------------------------------------------------------------------------


class TestEnvironment:
    def test_gymnasium_accepts_it(self, env):
        from gymnasium.utils.env_checker import check_env

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(infinity|spec|different).*")
            check_env(env, skip_render_check=True)

    def test_two_runs_are_bit_equal(self, env):
        first = run(env, 2)
        fixtures = env.fixture_poses()
        other = run(env, 3)
        assert not np.array_equal(first[0], other[0])
        again = run(env, 2)
        env.close()
        fresh_env = make_env(env.task)
        fresh = run(fresh_env, 2)
        fresh_fixtures = fresh_env.fixture_poses()
        fresh_env.close()
        for states, images in (again, fresh):
            assert np.array_equal(states, first[0])
            assert np.array_equal(images, first[1])
        assert {"wooden_cabinet_1", "flat_stove_1", "wine_rack_1"} <= set(fixtures)
        for name, (position, quaternion) in fixtures.items():
            assert np.array_equal(position, fresh_fixtures[name][0])
            assert np.array_equal(quaternion, fresh_fixtures[name][1])

    def test_images_are_upright(self, env):
        observation, _ = env.reset(options={"init_state": 0})
        image = observation["agentview"].astype(float)
        # the bright table fills the lower part of the frame, the grey wall the upper one
        assert image[100:].mean() > image[:20].mean() + 40

    def test_success_and_glow_follow_the_state(self, env):
        observation, info = env.reset(options={"init_state": 0})
        assert not info["success"]
        assert info["done_tasks"] == ()
        off = env.render_views()["agentview"]
        assert np.array_equal(off, observation["agentview"])
        state = env.get_state()
        on = state.copy()
        on[1 + env.sim.model.get_joint_qpos_addr("flat_stove_1_button")] = 1.0
        env.set_state(on)
        assert env.success()
        assert env.done_tasks() == ("turn_on_the_stove",)
        glow = env.render_views()["agentview"].astype(int)
        red = (glow[..., 0] - glow[..., 1:].max(-1)) > 80
        assert red.sum() > 20
        env.set_state(state)
        assert not env.success()
        assert np.array_equal(env.render_views()["agentview"], off)

    def test_a_second_one_and_another_thread_are_refused(self, env):
        with pytest.raises(RuntimeError, match=r"close\(\) it first"):
            make_env(env.task)
        env.reset(options={"init_state": 0})
        caught = []

        def elsewhere():
            with pytest.raises(RuntimeError, match="thread") as raised:
                env.step(np.zeros(7))
            caught.append(raised)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert caught
        env.close()
        env.close()
        with pytest.raises(RuntimeError, match="closed"):
            env.reset()


class TestExpert:
    @pytest.mark.parametrize("index", [1, 4])  # cream cheese, short and crowded; ketchup, whose width ties
    def test_it_puts_the_object_into_the_basket(self, index):
        env = make_env(suites.tasks("libero_object")[index], image_every=0)
        try:
            _, info = env.reset(seed=0, options={"init_state": 30})
            expert = make_expert(env, np.random.default_rng(0), noise=0.1)
            turns, terminated, truncated = [], False, False
            while not (terminated or truncated):
                clean = expert.act()
                assert np.abs(clean).max() <= 1.0
                _, _, terminated, truncated, info = env.step(expert.disturb(clean))
                rotation = env.eef_pose()[1]
                turns.append(np.arctan2(rotation[1, 0], rotation[0, 0]))
            assert info["success"]
            assert expert.done
            assert info["done_tasks"] == (env.task.name,)
            # the wrist stays as it was: nothing to gain from turning it, and a tie must not be broken at random
            assert np.abs(np.unwrap(turns) - turns[0]).max() < 0.3
        finally:
            env.close()

    def test_suites_without_an_expert_say_so(self, monkeypatch):
        monkeypatch.setitem(suites.SUITES, "libero_goal", replace(suites.SUITES["libero_goal"], expert=None))
        with pytest.raises(ValueError, match="no scripted expert for libero_goal"):
            suites.expert_maker("libero_goal")
