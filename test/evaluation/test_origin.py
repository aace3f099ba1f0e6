"""What result files say of where they come from, and that it is what was asked for."""

import json
import os
import platform
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from zipmo_ros import __version__
from zipmo_ros.apps import cli
from zipmo_ros.apps.configuration import load, plain
from zipmo_ros.apps.evaluate import EvaluationRequest
from zipmo_ros.evaluation import evaluate
from zipmo_ros.evaluation.origin import machine, shown, visuals
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.models import bundle_path
from zipmo_ros.motion.checkpoint import content_hash
from zipmo_sim.suites.libero.assets import ORIGINAL


def test_an_evaluation_says_all_that_repeats_it(tmp_path, monkeypatch, capsys):
    ran = []

    def run(settings, episodes, workers, progress, journal, place):
        ran.append(settings)
        return [Outcome.of(e, success=True, original_success=True, steps=9, plan_ms=20.0) for e in episodes]

    monkeypatch.setattr(evaluate, "run_parallel", run)
    words = ["tasks=[turn_lever_left]", "via=direct", "episodes=2", "max_steps=600", "nfe=10", f"out={tmp_path}/a.json"]
    assert cli.main(["eval", *words]) == 0
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["result"] == "eval"
    assert report["command"] == f"zipmo eval 'tasks=[turn_lever_left]' {' '.join(words[1:])}"
    assert report["settings"] == plain(load("eval", words, EvaluationRequest))
    assert report["settings"]["workers"] == 1
    assert (ran[0].max_steps, report["max_steps"], report["protocol"]) == (600, 600, "zipmo-mini-v1-600-steps")
    assert (report["nfe"], report["oracle"]) == (10, "none")
    assert (report["instruction"], report["states"]) == ("own", "evaluation")
    assert report["hashes"]["checkpoint"] == content_hash(bundle_path(None))
    assert report["version"] == __version__
    assert {"cpu", "cores", "gpu"} <= set(report["machine"])
    assert datetime.fromisoformat(report["date"]).tzinfo is not None
    assert "600-steps" in capsys.readouterr().out


def test_the_suites_own_limit_is_the_protocol(tmp_path, monkeypatch):
    def run(settings, episodes, workers, progress, journal, place):
        return [Outcome.of(e, success=False, original_success=False, steps=200, failure="timeout") for e in episodes]

    monkeypatch.setattr(evaluate, "run_parallel", run)
    assert cli.main(["eval", "tasks=[turn_lever_left]", "episodes=1", "via=direct", f"out={tmp_path}/a.json"]) == 0
    report = json.loads((tmp_path / "a.json").read_text())
    assert (report["protocol"], report["max_steps"]) == ("zipmo-mini-v1", None)


def test_the_number_of_steps_that_nobody_asked_for_is_the_checkpoints(tmp_path, monkeypatch):
    """And it is what runs, so that a file says it as older ones do, whose commands had a number of their own."""
    bundle, ran = tmp_path / "bundle", []
    shutil.copytree(bundle_path(None), bundle)
    description = json.loads((bundle / "planner/config.json").read_text())
    description["config"]["steps"] = 10
    (bundle / "planner/config.json").write_text(json.dumps(description))

    def run(settings, episodes, workers, progress, journal, place):
        ran.append(settings)
        return [Outcome.of(e, success=True, original_success=True, steps=9) for e in episodes]

    monkeypatch.setattr(evaluate, "run_parallel", run)
    words = ["tasks=turn_lever_left", "episodes=1", "via=direct", f"checkpoint={bundle}", f"out={tmp_path}/a.json"]
    assert cli.main(["eval", *words]) == 0
    report = json.loads((tmp_path / "a.json").read_text())
    assert (ran[0].nfe, report["nfe"], report["settings"]["nfe"]) == (10, 10, None)
    assert load("eval", words, EvaluationRequest).settings("ros") == replace(ran[0], via="ros", gallery=None)


def test_paths_hold_in_another_working_directory_and_are_told_as_ever(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundle_path(None), "bundle")
    words = ["checkpoint=bundle", "via=direct", "tasks=turn_lever_left", "out=outputs/a.json"]
    (settings,) = load("eval", words, EvaluationRequest).runs()
    assert (settings.checkpoint, settings.gallery) == (tmp_path / "bundle", tmp_path / "outputs/a.failures")
    assert shown(settings.checkpoint) == "bundle"


@pytest.mark.libero
def test_a_folder_of_assets_holds_in_another_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = load("eval", ["suite=libero_object", "libero_assets=assets", "via=direct"], EvaluationRequest)
    assert request.settings("direct").libero_assets == tmp_path / "assets"


def test_visuals_other_than_the_originals_are_named_by_the_assets_hash():
    assert visuals("libero_goal", ORIGINAL) is None
    assert visuals("libero_goal", "0123456789abcdef") == "assets 0123456789ab, not known as LIBERO's originals"
    assert visuals("mini", "0123456789abcdef") is None


def test_the_machine_is_a_class_without_a_name():
    found = machine()
    assert set(found) == {"cpu", "cores", "gpu", "load_average"}
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert platform.node() not in found.values()


def test_paths_below_the_working_directory_are_told_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "runs/a") == "runs/a"
    assert shown(Path("runs/a")) == "runs/a"
    assert shown(tmp_path.parent) == str(tmp_path.parent)
