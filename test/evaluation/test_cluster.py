"""Workers on a Ray cluster: the same outcomes as without, though a machine goes away in the middle."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import killable
import pytest

from zipmo_ros.apps import cli
from zipmo_ros.evaluation.cluster import inherited, place_for
from zipmo_ros.evaluation.episodes import draw_episodes
from zipmo_ros.evaluation.parallel import run_parallel
from zipmo_ros.evaluation.pool import Died, run_jobs
from zipmo_ros.evaluation.runners import Settings
from zipmo_sim.suites import tasks

SETTINGS = Settings("mini", Path("unused"), "direct", 7, 2, 4, "intended", oracle="expert")


def square(group, jobs, answer):
    for job in jobs:
        if job == 2:
            raise RuntimeError("broken")
        answer((group, job * job))


def test_without_ray_it_is_said_how_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert cli.main(["eval", "via=direct", "tasks=[turn_lever_left]", "ray=auto", f"out={tmp_path}/a.json"]) == 2
    assert "ray=auto needs Ray: pip install 'zipmo_ros[cluster]'" in capsys.readouterr().err


def test_nodes_over_ros_are_refused(capsys, tmp_path):
    assert cli.main(["eval", "via=ros", "tasks=[turn_lever_left]", "ray=auto", f"out={tmp_path}/a.json"]) == 2
    assert "ray=auto needs via=direct" in capsys.readouterr().err


def test_workers_find_what_the_command_finds_from_its_own_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"PYTHONPATH": "mine:/opt/theirs", "ZIPMO_LIBERO_ASSETS": "assets", "MUJOCO_GL": "egl", "HOME": "/nobody"}
    paths = {"PYTHONPATH": f"{tmp_path}/mine:/opt/theirs", "ZIPMO_LIBERO_ASSETS": f"{tmp_path}/assets"}
    assert inherited(given) == {"MUJOCO_GL": "egl", **paths}
    assert inherited({"PYTHONPATH": ""}) == {}


@pytest.fixture
def cluster(monkeypatch):
    """Two machines of one CPU each, and a way to be without the second one."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'zipmo_ros[cluster]'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # theirs, who know no tests
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = made.add_node(num_cpus=1)
    made.wait_for_nodes()
    try:
        yield made.address, lambda: made.remove_node(second, allow_graceful=False)
    finally:
        made.shutdown()


@pytest.mark.slow
def test_a_machine_that_is_killed_costs_nothing(cluster, tmp_path):
    address, kill = cluster
    settings = replace(SETTINGS, checkpoint=tmp_path, via=killable.Via("slow"))
    episodes = draw_episodes(tasks("mini")[:3], 4, seed=7)
    seen = []

    def progress(outcome):
        seen.append(outcome)
        if len(seen) == 3:
            kill()

    with place_for(address) as place:
        on_cluster = run_parallel(settings, episodes, 2, progress, place=place)
    assert len(seen) == 12
    assert on_cluster == run_parallel(settings, episodes, 2, lambda outcome: None)
    starts = (tmp_path / "starts.txt").read_text().split()
    assert {start.split("-")[1] for start in starts[:4]} != {starts[0].split("-")[1]}, "they did not spread"


@pytest.mark.slow
def test_experts_and_broken_jobs_are_as_without_it(cluster):
    address, _ = cluster
    lever = [task for task in tasks("mini") if task.name == "turn_lever_left"]
    episodes = draw_episodes(lever, 2, seed=7)
    settings = replace(SETTINGS, max_steps=30)
    with place_for(address) as place:
        answers = {job: outcome for _, job, outcome in run_jobs(square, {"a": range(4)}, 2, place=place)}
        died = answers.pop(2)
        assert isinstance(died, Died)
        assert "RuntimeError: broken" in died.how
        assert answers == {0: ("a", 0), 1: ("a", 1), 3: ("a", 9)}
        on_cluster = run_parallel(settings, episodes, 2, lambda outcome: None, place=place)
    assert on_cluster == run_parallel(settings, episodes, 1, lambda outcome: None)
    assert not any(outcome.error for outcome in on_cluster)
