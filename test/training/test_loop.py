"""The training loop: exact resume, budgets, averaging, and a loop that learns."""

import os
import signal
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from training_settings import train_config

from zipmo_ros.motion.config import from_dict, to_dict
from zipmo_ros.training import loop
from zipmo_ros.training.loop import FitResult, MetricsLog, TrainConfig, fit, learning_rate, parameter_groups


class ToyBatches:
    """Noisy regression; the batch order and the noise come from one generator."""

    def __init__(self, seed=3):
        self.generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))

    def __next__(self):
        inputs = self.inputs[torch.randint(0, 64, (8,), generator=self.generator)]
        return inputs, inputs.sum(1, keepdim=True)

    def state_dict(self):
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state):
        self.generator.set_state(state["generator"])


def toy_model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 16), nn.GELU(), nn.Dropout(0.1), nn.BatchNorm1d(16), nn.Linear(16, 1))


def loss_fn(model, batch, generator):
    inputs, targets = batch
    noise = 0.01 * torch.randn(inputs.shape, generator=generator)
    loss = (model(inputs + noise) - targets).square().mean()
    return loss, {"noise": noise.abs().mean()}


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_is_for_processors_that_have_it(tmp_path, monkeypatch, there):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": there})
    seen = []

    def looked_at(model, batch, generator):
        seen.append(torch.is_autocast_enabled("cpu"))
        loss, scalars = loss_fn(model, batch, generator)
        return loss.float(), scalars

    fit(toy_model(), looked_at, ToyBatches(), train_config(max_steps=1, warmup_steps=1, bf16=True), tmp_path)
    assert seen == [there]


def test_resume_is_bit_equal_to_an_uninterrupted_run(tmp_path):
    def run(folder, steps):
        model = toy_model()
        config = train_config(max_steps=steps, warmup_steps=3, schedule="constant", log_every=4)
        return model, fit(model, loss_fn, ToyBatches(), config, tmp_path / folder)

    whole, whole_result = run("whole", 20)
    run("parts", 7)
    torch.manual_seed(12345)
    torch.rand(17)
    parts, parts_result = run("parts", 20)
    assert parts_result.step == whole_result.step == 20
    assert same(whole, parts)
    assert same(whole_result.model, parts_result.model)
    steps = [line["step"] for line in MetricsLog(tmp_path / "parts/metrics.jsonl").read()]
    assert steps == sorted(steps)
    assert steps[-1] == 20


def test_terminated_run_saves_and_goes_on_bit_equal(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    config = train_config(max_steps=12, warmup_steps=2, log_every=3)
    whole = fit(toy_model(), loss_fn, ToyBatches(), config, tmp_path / "whole")
    saved = []

    def terminating(model, batch, generator):
        if not saved and os.environ.get("ZIPMO_TOY_STEP", "0") == "5":
            os.kill(os.getpid(), signal.SIGTERM)
        os.environ["ZIPMO_TOY_STEP"] = str(int(os.environ.get("ZIPMO_TOY_STEP", "0")) + 1)
        return loss_fn(model, batch, generator)

    os.environ["ZIPMO_TOY_STEP"] = "0"
    try:
        stopped = fit(
            toy_model(), terminating, ToyBatches(), config, tmp_path / "cut", save=lambda *a: saved.append(a[1])
        )
    finally:
        del os.environ["ZIPMO_TOY_STEP"]
    assert stopped.interrupted
    assert stopped.step == 6
    assert saved == [6]
    resumed = fit(toy_model(), loss_fn, ToyBatches(), config, tmp_path / "cut")
    assert not resumed.interrupted
    assert same(whole.model, resumed.model)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_signal_that_came_to_one_process_before_the_first_step_ends_none_alone(tmp_path, monkeypatch):
    """It came to this one, and the first one says that it goes on."""
    monkeypatch.setattr(loop, "_terminated", lambda: nullcontext([signal.SIGTERM]))
    monkeypatch.setattr(loop.distributed, "first_says", lambda values, device: [*values[:-1], 0.0])
    result = fit(toy_model(), loss_fn, ToyBatches(), train_config(max_steps=2), tmp_path)
    assert (result.step, result.interrupted) == (2, False)


def test_caller_random_stream_is_untouched(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = nn.Linear(5, 1, bias=False)
    torch.manual_seed(5)
    fit(model, loss_fn, ToyBatches(), train_config(max_steps=2), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_learns_and_reports(tmp_path):
    seen = {}
    inputs = ToyBatches().inputs
    config = train_config(max_steps=600, warmup_steps=10, learning_rate=1e-2, ema_decay=0.9)

    def validate(model):
        return {"error": (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()}

    def progress(step, metrics):
        seen[step] = metrics

    result = fit(toy_model(), loss_fn, ToyBatches(), config, tmp_path, validate=validate, progress=progress)
    assert isinstance(result, FitResult)
    assert not result.model.training
    assert result.metrics["validation/error"] < 0.05
    lines = MetricsLog(tmp_path / "metrics.jsonl").read()
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0] / 2
    assert max(seen) == 600


def test_minutes_end_the_run_and_the_schedule(tmp_path):
    config = train_config(max_steps=10**9, max_minutes=0.3 / 60, warmup_steps=1, log_every=1)
    result = fit(toy_model(), loss_fn, ToyBatches(), config, tmp_path)
    assert 0.3 <= result.minutes * 60 < 1.0
    rates = [line["learning_rate"] for line in MetricsLog(tmp_path / "metrics.jsonl").read()]
    assert rates[-1] < rates[0] / 5


def test_non_finite_loss_is_named_and_not_saved(tmp_path):
    def broken(model, batch, generator):
        loss, scalars = loss_fn(model, batch, generator)
        return loss * float("nan"), scalars

    with pytest.raises(FloatingPointError, match="loss and gradient_norm not finite"):
        fit(toy_model(), broken, ToyBatches(), train_config(max_steps=5), tmp_path)
    assert not (tmp_path / "resume.pt").exists()


def test_other_configuration_is_refused_and_a_longer_budget_is_not(tmp_path):
    fit(toy_model(), loss_fn, ToyBatches(), train_config(max_steps=2), tmp_path)
    with pytest.raises(ValueError, match=r"learning_rate 0.001 -> 0.5"):
        fit(toy_model(), loss_fn, ToyBatches(), train_config(max_steps=4, learning_rate=0.5), tmp_path)
    assert fit(toy_model(), loss_fn, ToyBatches(), train_config(max_steps=4, log_every=1), tmp_path).step == 4


@pytest.mark.parametrize(
    ("schedule", "middle", "end"), [("cosine", 0.5, 0.0), ("wsd", 1.0, 0.0), ("constant", 1.0, 1.0)]
)
def test_schedules(schedule, middle, end):
    config = train_config(learning_rate=1.0, schedule=schedule, warmup_steps=10, final_fraction=0.0)
    assert learning_rate(config, 4, 0.0) == pytest.approx(0.5)
    assert learning_rate(config, 100, 0.5) == pytest.approx(middle)
    assert learning_rate(config, 100, 1.0) == pytest.approx(end)


def test_only_matrices_decay():
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    model.register_parameter("token", nn.Parameter(torch.zeros(2, 3, 8)))
    decayed, free = parameter_groups(model, 0.1)
    assert [tuple(parameter.shape) for parameter in decayed["params"]] == [(3, 4)]
    assert len(free["params"]) == 4
    assert free["weight_decay"] == 0.0
    with pytest.raises(ValueError, match="no trainable parameter"):
        parameter_groups(model.requires_grad_(False), 0.1)


def test_bad_budgets_are_refused():
    for wrong in ({"max_steps": 0}, {"max_minutes": -1.0}, {"schedule": "linear"}, {"ema_decay": 1.0}):
        with pytest.raises(ValueError, match=r"schedule|nothing to do|ema_decay"):
            train_config(**wrong)


def test_keys_that_are_absent_or_unknown_are_named():
    plain = to_dict(train_config())
    assert from_dict(TrainConfig, plain) == train_config()
    with pytest.raises(ValueError, match="TrainConfig lacks betas, seed"):
        from_dict(TrainConfig, {key: value for key, value in plain.items() if key not in ("seed", "betas")})
    with pytest.raises(ValueError, match="TrainConfig has no field speed"):
        from_dict(TrainConfig, {**plain, "speed": 1})
