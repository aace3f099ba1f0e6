"""Several processes train one model, and do what one process with all of their batches does."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from synthetic_demonstrations import write_suite
from test_loop import loss_fn, same, toy_model
from training_settings import train_config

from zipmo_ros.data.batches import WindowBatches
from zipmo_ros.training.loop import MetricsLog, fit
from zipmo_ros.training.shards import Shards

READING = ["model=words", "rephrasings=config/wordings/train.yaml", "wordings=2", "stage.telling.sentences=2"]


def batches(size=4):
    inputs = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    return WindowBatches(torch.arange(64), size, 3, lambda rows, _: (inputs[rows], inputs[rows].sum(1, keepdim=True)))


def test_shards_cover_the_data_and_differ():
    parts = [batches().shard(number, 2) for number in range(2)]
    assert sorted(torch.cat([part.indices for part in parts]).tolist()) == list(range(64))
    assert parts[0].shard(0, 1).indices.tolist() == parts[0].indices.tolist()
    assert parts[0].generator.initial_seed() != parts[1].generator.initial_seed()


def test_the_gradient_of_shards_is_that_of_one_batch_of_all(tmp_path):
    """Without what is drawn, and with a model whose parts do not look at the rest of a batch."""

    def plain(model, batch, generator):
        return (model(batch[0]) - batch[1]).square().mean(), {}

    def after_one_step(sources, shards):
        torch.manual_seed(1)
        model = torch.nn.Linear(5, 1)
        fit(model, plain, sources, train_config(max_steps=1, shards=shards), tmp_path / f"{shards}", resume=False)
        return model

    whole = batches(8)
    rows = torch.cat([next(batches().shard(number, 2))[0] for number in range(2)])
    whole.collate = lambda *_: (rows, rows.sum(1, keepdim=True))
    for mine, theirs in zip(
        after_one_step(batches(), 2).parameters(), after_one_step(whole, None).parameters(), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_a_run_of_several_shards_resumes_bit_equal(tmp_path):
    def run(folder, steps):
        config = train_config(max_steps=steps, warmup_steps=2, schedule="constant", shards=2)
        return fit(toy_model(), loss_fn, batches(), config, tmp_path / folder).model

    whole = run("whole", 6)
    run("parts", 2)
    assert same(whole, run("parts", 6))
    with pytest.raises(ValueError, match="shards 2 -> None"):
        fit(toy_model(), loss_fn, batches(), train_config(max_steps=8, schedule="constant"), tmp_path / "parts")


def test_dropout_of_a_shard_is_its_own(tmp_path):
    """What it drops does not depend on what the shards before it draw."""

    two = []

    def drop(model, batch, generator):
        two.append(model[1](torch.ones(64)).detach())
        return model[0](batch[0]).square().mean(), {}

    model = torch.nn.Sequential(torch.nn.Linear(5, 1), torch.nn.Dropout(0.5))
    fit(model, drop, batches(), train_config(max_steps=2, shards=2), tmp_path, resume=False)
    assert len(two) == 4
    assert not torch.equal(two[0], two[1])
    shards = Shards(batches(), 2, train_config(max_steps=2).seed, torch.device("cpu"))
    before = torch.get_rng_state()
    first, second = [], []
    for _ in range(2):
        for kept, _batch in zip((first, second), shards, strict=True):
            kept.append(torch.nn.functional.dropout(torch.ones(64), 0.5))
            torch.rand(len(kept))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0], two[0])
    assert torch.equal(second[0], two[1])


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "own"), [("vae", ["stage.statistics_windows=8"]), ("grounding", READING)])
def test_two_processes_give_the_losses_and_weights_of_one_with_the_double_batch(tmp_path, stage, own):
    """Of the encoder with the dropout that it has."""
    data = write_suite(tmp_path / "data", says={"red": "turn the lever to the left", "blue": "turn the lever right"})
    keys = [f"data={data}", "train.max_steps=3", "train.log_every=1", "train.warmup_steps=1",
            "stage.batch_size=3", "stage.validation_windows=4", "cache=null", *own]  # fmt: skip
    train = ["-m", "zipmo_ros.apps.cli", "train", stage, *keys]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    for words in ([*torchrun, *train, f"out={tmp_path}/two"], [*train, "train.shards=2", f"out={tmp_path}/one"]):
        run = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, check=False)
        assert run.returncode == 0, run.stderr[-3000:]
        (told,) = [line for line in run.stdout.splitlines() if line.startswith(f"{stage} done")]
        assert "agentview_" in told
    logs = [MetricsLog(tmp_path / name / "run/metrics.jsonl").read() for name in ("two", "one")]
    for lines in logs:
        for line in lines:
            line.pop("minutes")
    assert len(logs[0]) == 4
    assert logs[0] == logs[1]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
