"""Collection: the file's format, resuming, and what is left when processes die."""

import dataclasses
import json
import multiprocessing
import os
import signal

import h5py
import numpy as np
import pytest
from synthetic_demonstrations import make_demo as synthetic_demo

from zipmo_ros.data import demos, schema
from zipmo_ros.data.demos import DemoError
from zipmo_ros.evaluation import collection
from zipmo_ros.evaluation.collection import collect, count_attempts, summary_table
from zipmo_ros.evaluation.demonstrate import CollectionSettings, make_demo
from zipmo_ros.evaluation.leading import Leader
from zipmo_sim import suites

SUITE, TASK = "mini", "turn_lever_left"
SETTINGS = CollectionSettings(noise=(0.1,), render_every=8, recovery=0.0, after_success=3)
EPISODES = 3


def run(out, progress=None, episodes=EPISODES):
    return collect(SUITE, [TASK], episodes, out, 1, settings=SETTINGS, progress=progress)


def test_workers_are_given_a_folder_that_is_the_same_in_any_working_directory(tmp_path, monkeypatch):
    given = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(collection, "run_jobs", lambda *arguments, place: given.append(arguments[4]) or iter(()))
    run("data")
    assert given == [str(tmp_path / "data")]


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    outcomes = []
    return out, run(out, outcomes.append), outcomes


# -- the real thing --------------------------------------------------------------------------------------------------


def test_the_file_keeps_the_format(collected):
    out, summaries, _ = collected
    with h5py.File(demos.demo_path(out, SUITE, TASK)) as file:
        data = file["data"]
        assert data.attrs["language"] == "turn the lever to the left"
        assert data.attrs["obs_alignment"] == "before_action"
        assert data.attrs["macros_image_convention"] == "upright"
        assert data.attrs["num_demos"] == EPISODES
        assert json.loads(data.attrs["problem_info"])["language_instruction"] == data.attrs["language"]
        assert {"asset_hash", "render_hash", "model_hash", "render_every"} <= set(data.attrs)
        demo = data["demo_0"]
        total = demo.attrs["num_samples"]
        rendered = demo["render_steps"][()]
        assert rendered.tolist() == list(range(0, total, 8))
        for name, width in {"actions": 7, "executed_actions": 7, "robot_states": 9, "obs/ee_states": 6}.items():
            assert demo[name].shape == (total, width)
        for view in ("agentview", "eye_in_hand"):
            assert demo[f"obs/{view}_rgb"].shape == (len(rendered), 128, 128, 3)
            assert demo[f"obs/{view}_rgb"].dtype == np.uint8
            assert demo[f"tracks/{view}"].shape == (len(rendered), 160, 16, 2)
            assert demo[f"tracks/{view}"].dtype == np.float16
            assert demo[f"tracks/{view}_visible"].shape == (len(rendered), 160, 16)
            assert demo[f"tracks/{view}_moving"].shape == (len(rendered), 160)
            assert 0.1 < demo[f"tracks/{view}_moving"][()].mean() < 0.95
        assert demo["states"].shape[0] == total
        assert demo["rewards"][-4:].tolist() == [1, 1, 1, 1]  # solved, and three steps more
        assert demo["dones"][()].tolist() == [0] * (total - 1) + [1]
        assert not np.array_equal(demo["actions"][()], demo["executed_actions"][()])
        assert np.abs(demo["actions"][()]).max() <= 1
        assert demo.attrs["noise"] == 0.1
        assert "lever_base" in json.loads(demo.attrs["fixture_poses"])
    assert summaries[0].kept == EPISODES
    assert TASK in summary_table(summaries)


def test_running_again_does_nothing_and_more_episodes_are_added(collected):
    out, _, outcomes = collected
    assert [outcome.status for outcome in outcomes] == ["kept"] * EPISODES
    assert set(outcomes[0].seconds) == {"rollout", "render", "tracks", "write"}
    before = demos.read_info(demos.demo_path(out, SUITE, TASK))
    again = []
    run(out, again.append)
    assert again == []
    assert demos.read_info(before.path) == before
    assert count_attempts(SUITE, [TASK], EPISODES + 2, out, 0, range(25)) == (EPISODES + 2, 2)


def test_landmarks_say_where_the_grip_is_and_where_it_is_to_go(collected):
    with h5py.File(demos.demo_path(collected[0], SUITE, TASK)) as file:
        told = json.loads(file["data"].attrs["landmark_sentences"])
        places = file["data/demo_0/landmarks/agentview"][()].astype(float)
    assert told == ["turn the lever to the left", "turn the lever to the right"]
    assert places.shape[1:] == (2, 2, 2)
    now, then = places[:, 0, 0], places[:, 0, 1]
    np.testing.assert_allclose(places[:, 1, 0], now, atol=1e-3)  # both sentences take the same grip
    assert (then[:, 1] < places[:, 1, 1, 1]).all()  # to the left is left of to the right
    assert np.linalg.norm(now[-1] - then[-1]) < 0.6 * np.linalg.norm(now[0] - then[0])  # and there it went


def test_a_leader_begins_and_the_expert_shows_the_rest():
    class Raise:
        def __init__(self):
            self.seen = []

        def reset(self):
            pass

        def act(self, observation, goal):
            looks = bool(observation.images) and observation.stacked(env.robot.views).std() > 10
            self.seen.append((looks, goal.text))
            return np.array([0, 0, 0.8, 0, 0, 0, -1.0])

    agent, settings = Raise(), CollectionSettings(noise=(0.0,), render_every=8, recovery=1.0, led=1.0)
    env = suites.make_env(SUITE, TASK, image_every=0)
    try:
        (demo,), outcome = make_demo(env, (0, 0), settings, Leader("raise", 4, lambda env: agent))
        env.reset(options={"init_state": 0})
        start = env.eef_pose()[0]
    finally:
        env.close()
    assert outcome.status == "kept"
    assert demo.attrs["led"] == len(agent.seen) >= 10
    assert demo.attrs["leader"] == "raise"
    assert not demo.attrs["recovery"]
    assert {text for _, text in agent.seen} == {"turn the lever to the left"}
    assert [step for step, (looks, _) in enumerate(agent.seen) if looks] == list(range(0, len(agent.seen), 4))
    assert demo.arrays["obs/ee_pos"][0, 2] > start[2] + 0.1


@pytest.mark.slow
def test_a_killed_worker_and_an_interruption_lose_nothing_but_time(collected, tmp_path):
    whole = demos.read_info(demos.demo_path(collected[0], SUITE, TASK))
    seen = []

    def kill_then_interrupt(outcome):
        seen.append(outcome)
        if len(seen) == 1:  # the worker has been given the next attempt already
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
        else:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, kill_then_interrupt)
    assert multiprocessing.active_children() == []
    assert not demos.demo_path(tmp_path, SUITE, TASK).exists()
    parts = sorted(demos.part_path(tmp_path, SUITE, TASK, (6, 0)).parent.glob("*.hdf5"))
    assert len(parts) == 2
    for part in parts:
        with h5py.File(part) as file:
            assert file["data/demo_0"].attrs["success"]
    rest = []
    run(tmp_path, rest.append)
    assert [outcome.identity for outcome in rest] == [(8, 0)]
    healed = demos.read_info(demos.demo_path(tmp_path, SUITE, TASK))
    assert healed.demos == whole.demos  # the same demonstrations, bit for bit
    assert not (tmp_path / SUITE / demos.PARTS).exists()


def test_one_execution_in_several_looks(tmp_path):
    settings = dataclasses.replace(SETTINGS, render_every=24, looks="training", looks_per_demo=2)
    collect(SUITE, [TASK], 1, tmp_path, 1, settings=settings)
    again = []
    collect(SUITE, [TASK], 1, tmp_path, 1, settings=settings, progress=again.append)
    assert again == []
    path = demos.demo_path(tmp_path, SUITE, TASK)
    with h5py.File(path) as file:
        assert file["data"].attrs["looks"] == "training"
        first, second = file["data/demo_0"], file["data/demo_1"]
        assert (first.attrs["seed"], second.attrs["seed"]) == (0, demos.look_seed(0, 1))
        np.testing.assert_array_equal(first["states"][()], second["states"][()])
        views = [demo["obs/agentview_rgb"][()].astype(int) for demo in (first, second)]
        assert np.abs(views[0] - views[1]).mean() > 3
        assert first["landmarks/agentview"].shape == second["landmarks/agentview"].shape
    with pytest.raises(DemoError, match="collected with looks=training: collect into another folder"):
        run(tmp_path, episodes=1)
    with pytest.raises(ValueError, match="looks_per_demo needs looks=training"):
        collect(SUITE, [TASK], 1, tmp_path / "other", settings=CollectionSettings(looks_per_demo=2))


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (range(24, 26), r"25-49 are kept for evaluation, got \[25\]"),
        ([49, 100], r"25-49 are kept for evaluation, got \[49\]"),
        (range(99, 101), r"50-99 are kept for choosing settings, got \[99\]"),
        ([-1], "mini has init states 0-999"),
        ([1000], "mini has init states 0-999, got"),
        ([], "mini has init states 0-999, got none"),
    ],
)
def test_states_for_evaluation_or_unknown_are_refused(tmp_path, states, message):
    with pytest.raises(ValueError, match=message):
        collect(SUITE, [TASK], 1, tmp_path, init_states=states)
    assert not list(tmp_path.iterdir())


def test_more_layouts_than_are_evaluated_on_can_be_collected(tmp_path):
    assert count_attempts(SUITE, [TASK], 10, tmp_path, 0, range(100, 110)) == (10, 10)


def test_settings_out_of_range_and_unknown_tasks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has no task 'juggle'"):
        collect(SUITE, ["juggle"], 1, tmp_path)
    for settings in (
        CollectionSettings(noise=(0.9,)),
        CollectionSettings(render_every=0),
        CollectionSettings(recovery=2.0),
        CollectionSettings(aside=0.05),
        CollectionSettings(aside=0.2, looks="training"),
    ):
        with pytest.raises(ValueError, match=r"must be|is a share|aside is 0 .. 0\.1 m"):
            collect(SUITE, [TASK], 1, tmp_path, settings=settings)


def test_only_where_things_turn_are_they_put_aside(tmp_path):
    pytest.importorskip("libero")
    with pytest.raises(ValueError, match="libero_goal keeps its layouts"):
        collect("libero_goal", None, 1, tmp_path, settings=CollectionSettings(aside=0.05, looks="training"))


def test_two_collections_do_not_share_a_folder(collected):
    from zipmo_ros.evaluation.collection import _locked

    with _locked(collected[0] / SUITE), pytest.raises(BlockingIOError, match="another collection"):
        run(collected[0])


# -- files -----------------------------------------------------------------------------------------------------------


def shared(**changes):
    names = dict.fromkeys(schema.SHARED, "x") | {"suite": SUITE, "task": "t", "render_every": 2}
    return names | changes


def small_demo(state, seed=0):
    demo = synthetic_demo(state, steps=4, seed=seed, points=3)
    demo.arrays["actions"][:] = state / 10
    return demo


def test_a_demo_that_is_not_written_whole_does_not_exist(tmp_path, monkeypatch):
    demos.write_part(tmp_path, shared(), small_demo(0))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("power cut")))
    with pytest.raises(OSError, match="power cut"):
        demos.write_part(tmp_path, shared(), small_demo(1))
    monkeypatch.undo()
    assert demos.known(tmp_path, SUITE, "t") == ({(0, 0)}, set())
    merged = demos.merge(tmp_path, SUITE, "t")
    assert [demo.identity for demo in merged.demos] == [(0, 0)]
    assert not list(tmp_path.rglob("*.tmp"))


def test_merging_is_repeatable_sorted_and_keeps_failures(tmp_path):
    for state in (3, 1):
        demos.write_part(tmp_path, shared(), small_demo(state))
    demos.write_failure(tmp_path, SUITE, "t", (2, 0))
    first = demos.merge(tmp_path, SUITE, "t")
    demos.write_part(tmp_path, shared(), small_demo(0))
    demos.write_part(tmp_path, shared(), small_demo(3))  # as if the process had died before parts were removed
    demos.write_failure(tmp_path, SUITE, "t", (5, 0))
    second = demos.merge(tmp_path, SUITE, "t")
    assert [demo.identity for demo in first.demos] == [(1, 0), (3, 0)]
    assert [demo.identity for demo in second.demos] == [(0, 0), (1, 0), (3, 0)]
    assert second.failures == ((2, 0), (5, 0))
    assert demos.known(tmp_path, SUITE, "t") == ({(0, 0), (1, 0), (3, 0)}, {(2, 0), (5, 0)})
    with h5py.File(second.path) as file:
        assert file["data"].attrs["total"] == 12
        assert (file["data/demo_1/actions"][()] == 0.1).all()


def test_what_the_schema_does_not_have_is_not_written(tmp_path):
    for name, values in {"actions": np.zeros((3, 7)), "obs/ee_pos": np.zeros((4, 2)), "tracks/agentview": None}.items():
        demo = small_demo(0)
        demo.arrays[name] = values
        if values is None:
            del demo.arrays[name]
        with pytest.raises(ValueError, match=name):
            demos.write_part(tmp_path, shared(), demo)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["asset_hash", "render_hash", "model_hash", "render_every"])
def test_demonstrations_of_different_looks_are_not_mixed(tmp_path, name):
    demos.write_part(tmp_path, shared(), small_demo(0))
    demos.merge(tmp_path, SUITE, "t")
    demos.write_part(tmp_path, shared(**{name: 7}), small_demo(1))
    with pytest.raises(DemoError, match=f"differs .* in {name}"):
        demos.merge(tmp_path, SUITE, "t")
    assert [demo.identity for demo in demos.read_info(demos.demo_path(tmp_path, SUITE, "t")).demos] == [(0, 0)]


def test_files_of_another_kind_are_named(tmp_path):
    strange = tmp_path / "t_demo.hdf5"
    strange.write_bytes(b"not hdf5")
    with pytest.raises(DemoError, match=r"t_demo\.hdf5"):
        demos.read_info(strange)


def test_hashes_name_the_suite_and_its_looks():
    from zipmo_sim.provenance import asset_hash, render_hash
    from zipmo_sim.rendering import RenderSettings

    assert asset_hash(SUITE) == asset_hash(SUITE)
    assert render_hash(SUITE) == render_hash(SUITE, suites.render_settings(SUITE))
    assert render_hash(SUITE) != render_hash(SUITE, RenderSettings(size=64))
    with pytest.raises(ValueError, match="unknown suite"):
        asset_hash("billiards")
