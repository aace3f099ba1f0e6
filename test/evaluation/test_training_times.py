"""`zipmo bench train`: trainings take turns, and are told how many steps take as long as a budget."""

import json

import numpy as np
import pytest
import yaml
from synthetic_demonstrations import write_suite

from zipmo_ros.apps import cli
from zipmo_ros.apps.configuration import load
from zipmo_ros.apps.train import requested
from zipmo_ros.evaluation.training_times import training_report

QUICK = {"train.max_steps": 7, "stage.batch_size": 4, "stage.validation_windows": 4}
RECIPE = {
    "suite": "mini",
    "seed": 0,
    "collect": {"reach": {"episodes": 2}},
    "train": {"vae": QUICK, "grounding": {**QUICK, "train.shards": 2}, "planner": {**QUICK, "vae": "vae"}},
    "led": None,
}


def written(folder, name, **changes):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**RECIPE, **changes}, sort_keys=False))
    return path


def test_steps_that_take_as_long_as_a_budget():
    """Ratios are of the same turn; a budget of two trainings is the time of both."""
    times = {"a": [[10.0, 12], [20, 25], [10, 11]], "b": [[30.0, 31], [60, 70], [30, 44]], "c": [[5.0, 5]] * 3}
    requests = {name: request() for name in times}
    report = training_report({name: np.array(ms) for name, ms in times.items()}, requests, ["a", "c"])
    rows = {row["training"]: row for row in report["rows"]}
    assert [rows[name]["ratio"] for name in times] == [1, 3, 0.5]
    assert rows["b"]["ratio_p25_p75"] == [3, 3]
    assert [rows[name]["steps_of_budget"] for name in times] == [150, 50, 300]
    assert report["budget_cpu_minutes"] == rows["a"]["cpu_minutes"] + rows["c"]["cpu_minutes"]
    assert rows["a"]["windows"] == 8


def request():
    return requested(load("train", ["stage=vae", "train.max_steps=100", "stage.batch_size=4", "train.shards=2"]))


@pytest.mark.slow
def test_trainings_of_recipes_are_measured_and_leave_nothing(tmp_path, capsys):
    recipes = [written(tmp_path, "first"), written(tmp_path, "other", train={"vae": {**QUICK, "train.max_steps": 9}})]
    write_suite(tmp_path / "run/data/reach", demos=4)
    words = [f"recipes=[{','.join(map(str, recipes))}]", f"run={tmp_path}/run", "steps=1", "turns=1"]
    assert cli.main(["bench", "train", *words, "budget=vae", f"out={tmp_path}/out"]) == 0
    report = json.loads((tmp_path / "out/train.json").read_text())
    rows = {row["training"]: row for row in report["rows"]}
    assert list(rows) == ["vae", "grounding", "vae of other"]
    assert all(row["cpu_ms"] > 0 for row in rows.values())
    assert [row["windows"] for row in rows.values()] == [4, 8, 4]
    assert [row["steps"] for row in rows.values()] == [7, 7, 9]
    assert "first/vae, which is not there" in report["left_out"]["planner"]
    assert "planner is left out" in capsys.readouterr().out
    assert not list(tmp_path.rglob("resume.pt"))
    assert not (tmp_path / "run/first").exists()


def test_wrong_requests_say_what_is_wrong(tmp_path, capsys):
    recipe = written(tmp_path, "first")
    for words, told in (
        (["recipes=nosuch"], "no recipe 'nosuch'"),
        ([f"recipes={recipe}", f"run={tmp_path}"], "budget=planner can't be measured; it builds on"),
        ([f"recipes={recipe}", "budget=bc"], "budget=bc can't be measured: there are vae, grounding"),
        (["turns=0"], "turns"),
    ):
        assert cli.main(["bench", "train", *words]) == 2
        assert told in capsys.readouterr().err
