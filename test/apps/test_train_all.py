"""`zipmo train all` on synthetic demonstrations, its commands run here and not in processes of their own."""

import fcntl
import json
import os
import subprocess
import sys
import time

import pytest
import torch
import yaml
from synthetic_demonstrations import write_suite

from zipmo_ros.apps import train, train_all
from zipmo_ros.motion import checkpoint
from zipmo_ros.training.recipe import Job, TrainingRecipe

QUICK = {"train.max_steps": 2, "train.warmup_steps": 1, "stage.batch_size": 4, "stage.validation_windows": 4}
RECIPE = {
    "suite": "mini",
    "seed": 4,
    "collect": {"reach": {"episodes": 3}},
    "train": {
        "vae": {**QUICK, "stage.statistics_windows": 8},
        "grounding": QUICK,
        "planner": {**QUICK, "vae": "vae", "encoder": "grounding", "stage.point_draws": 1},
        "policy": {**QUICK, "vae": "vae", "stage.point_draws": 1},
        "bc": {**QUICK, "encoder": "grounding"},
    },
    "led": None,
}


class Done:
    def __init__(self, status):
        self.poll = self.wait = lambda: status


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Runs the command into a folder of that name; returns its status and the commands that it ran."""
    recipe, ran = tmp_path / "tiny.yaml", []

    def start(self, job):
        ran.append(job.name)
        self.began[job.name] = 0.0
        command, *words = train_all._command(job, self.out)
        train_all._log(self.out, job).touch()
        if command == "collect":
            write_suite(self.out / "data/reach", demos=4)
            return Done(0)
        return Done(train.main(words))

    monkeypatch.setattr(train_all._Making, "start", start)
    monkeypatch.setattr("zipmo_ros.training.schedule.PERIOD", 0)
    monkeypatch.setattr("zipmo_ros.evaluation.plotting.plot_metrics", lambda lines, path: None)

    def run(name, *words, **changes):
        ran.clear()
        recipe.write_text(yaml.safe_dump({**RECIPE, **changes}, sort_keys=False))
        return train.main(["all", f"recipe={recipe}", f"out={tmp_path / name}", *words]), list(ran)

    return run


def weights(bundle):
    return {path.relative_to(bundle): path.read_bytes() for path in bundle.rglob("model.safetensors")}


@pytest.mark.slow
def test_two_runs_give_the_same_weights_to_the_bit(make, tmp_path):
    assert make("one") == (0, ["collect reach", *(f"first {stage}" for stage in RECIPE["train"])])
    assert make("one") == (0, [])
    assert make("two", "workers=1")[0] == 0
    one, two = (weights(tmp_path / name / "bundle") for name in ("one", "two"))
    assert len(one) == 4
    assert one == two
    card = json.loads((tmp_path / "one/bundle/recipe.json").read_text())
    assert card["hash"] == checkpoint.content_hash(tmp_path / "one/bundle")
    assert card["recipe"]["first"]["train"]["planner"]["vae"] == "vae"
    for part in card["parts"].values():
        assert (part["seed"], part["step"], part["demonstrations"]) == (4, 2, 8)
        assert part["commit"] == card["jobs"]["first vae"]["commit"]
        assert len(part["rephrasings"]) == len(part["data_hash"]) == 64
    assert make("three", f"reuse={tmp_path / 'one'}") == (0, [])
    assert weights(tmp_path / "three/bundle") == one


@pytest.mark.slow
def test_what_other_commands_made_is_not_taken(make, tmp_path):
    alone = {stage: RECIPE["train"][stage] for stage in ("vae",)}
    assert make("one", train=alone) == (0, ["collect reach", "first vae"])
    assert make("two", f"reuse={tmp_path / 'one'}", "seed=5", train=alone) == (0, ["collect reach", "first vae"])
    other = {"vae": {**RECIPE["train"]["vae"], "train.max_steps": 1}}
    assert make("three", f"reuse={tmp_path / 'one'}", train=other) == (0, ["first vae"])


@pytest.mark.parametrize(
    ("shards", "workers", "processes"), [(1, 4, None), (2, 1, None), (2, 2, "2"), (2, 3, "2"), (4, 3, "2"), (4, 8, "4")]
)
def test_workers_share_the_batches_of_a_training(shards, workers, processes):
    job = Job("first planner", ("train", "planner", f"train.shards={shards}", "out={out}/p"), ())
    assert train_all._launcher(job, workers)[-1:] == ([processes] if processes else [])


@pytest.mark.slow
def test_a_training_of_two_processes_is_made_ended_and_taken_up(tmp_path):
    """The whole command, sent SIGTERM in the middle."""
    shared = {**QUICK, "train.max_steps": 200, "train.shards": 2, "train.log_every": 5, "stage.statistics_windows": 8}
    recipe, out = tmp_path / "shared.yaml", tmp_path / "shared"
    recipe.write_text(yaml.safe_dump({**RECIPE, "train": {"vae": shared}}))
    collected = TrainingRecipe.load(recipe).jobs()[0]
    write_suite(out / "data/reach", demos=4)
    (out / "done").mkdir(parents=True)
    train_all._record(out, collected).write_text(json.dumps({"digest": collected.digest}))
    cli = [sys.executable, "-m", "zipmo_ros.apps.cli"]
    command = [*cli, "train", "all", f"recipe={recipe}", f"out={out}", "workers=2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process, log = subprocess.Popen(command, env=environment), out / "first/vae/run/metrics.jsonl"
    end = time.monotonic() + 120
    while not (log.exists() and log.read_text()) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.1)
    process.terminate()
    assert process.wait(60) == train_all.INTERRUPTED
    assert 0 < torch.load(out / "first/vae/run/resume.pt")["step"] < 200
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    card = json.loads((out / "bundle/recipe.json").read_text())
    assert card["parts"]["vae"]["step"] == 200
    assert "interrupted, resumable" in (out / "log/first-vae.log").read_text()


def test_wrong_requests_end_with_status_2(make, tmp_path, capsys):
    (tmp_path / "busy").mkdir()
    with (tmp_path / "busy/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert make("busy")[0] == 2
    assert "is at work in" in capsys.readouterr().err
    assert make("new", "reuse=nowhere")[0] == 2
    assert train.main(["all", "recipe=macro"]) == 2
    assert "no recipe 'macro'" in capsys.readouterr().err
