"""`zipmo train all` on synthetic demonstrations, its commands run here and not in processes of their own."""

import fcntl
import json

import pytest
import yaml
from synthetic_demonstrations import write_suite

from zipmo_ros.apps import train, train_all
from zipmo_ros.motion import checkpoint

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


def test_wrong_requests_end_with_status_2(make, tmp_path, capsys):
    (tmp_path / "busy").mkdir()
    with (tmp_path / "busy/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert make("busy")[0] == 2
    assert "is at work in" in capsys.readouterr().err
    assert make("new", "reuse=nowhere")[0] == 2
    assert train.main(["all", "recipe=macro"]) == 2
    assert "no recipe 'macro'" in capsys.readouterr().err
