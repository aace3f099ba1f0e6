"""One training loop for every stage: AdamW, warm-up and decay, clipping, an average of the weights, exact resume.

The loop knows neither data nor model. A stage hands it `batches` (see `Batches`) and a `loss_fn`; everything random
is drawn from
generators whose states are saved, so on a CPU a run that was interrupted and resumed is bit-equal to one that was not
(as long as its budget is counted in steps; with `max_minutes` the learning rate follows the clock).
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from zipmo_ros.training import distributed
from zipmo_ros.training.shards import Batches, Shards, objective

logger = logging.getLogger(__name__)

SCHEDULES = ("cosine", "wsd", "constant")
# These may differ when a run is resumed: they say how long and how talkative, not what is computed in a step.
RESUMABLE_FIELDS = frozenset(
    {"max_steps", "max_minutes", "log_every", "validate_every", "validate_minutes", "save_minutes", "threads"}
)


def has_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are done by the device. A processor that imitates them takes 13 times as long as for
    float32, or more (measured with AVX2).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    there = torch.cpu.get_capabilities()
    return device.type != "cpu" or any(there.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


LossFn = Callable[[nn.Module, Any, torch.Generator], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Steps and minutes are both budgets: whichever is spent first ends the run and the decay.

    schedule: after a linear warm-up, "cosine" falls to `final_fraction` of the rate, "wsd" (warm-up, stable, decay)
    stays and falls
    linearly over the last `decay_fraction` of the budget, "constant" stays. shards: batches a step, whose gradients are
    averaged; None: one a process.
    """

    max_steps: int
    max_minutes: float | None
    learning_rate: float
    final_fraction: float
    schedule: str
    warmup_steps: int
    decay_fraction: float
    betas: tuple[float, float]
    weight_decay: float
    clip_norm: float
    ema_decay: float
    bf16: bool
    seed: int
    log_every: int
    validate_every: int
    validate_minutes: float | None
    save_minutes: float
    threads: int | None
    shards: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule '{self.schedule}' is not one of {', '.join(SCHEDULES)}")
        if self.max_steps < 1 or (self.max_minutes is not None and self.max_minutes <= 0):
            raise ValueError(f"nothing to do: max_steps={self.max_steps}, max_minutes={self.max_minutes}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; it must lie in [0, 1)")
        if self.shards is not None and self.shards < 1:
            raise ValueError(f"train.shards is {self.shards}; a step has at least one batch")
        if self.log_every < 1 or self.validate_every < 1:
            raise ValueError("log_every and validate_every are numbers of steps, at least 1")


@dataclass(frozen=True)
class FitResult:
    """step: optimiser steps since the first start. minutes: time in the loop, validation excluded. interrupted:
    ended by a signal.
    """

    model: nn.Module
    step: int
    minutes: float
    metrics: dict[str, float]
    interrupted: bool = False


def learning_rate(config: TrainConfig, step: int, progress: float) -> float:
    """Rate for `step` (from 0) at `progress` in [0, 1] of the budget."""
    rate = config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup_steps))
    if config.schedule == "cosine":
        weight = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    elif config.schedule == "wsd":
        weight = min(1.0, (1.0 - min(1.0, progress)) / max(1e-9, config.decay_fraction))
    else:
        weight = 1.0
    return rate * (config.final_fraction + (1.0 - config.final_fraction) * weight)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Trainable parameters in two groups: weights of linear and convolution layers decay; all else (norms, biases,
    tokens, RoPE) doesn't.
    """
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameter")
    decayed = [parameter for name, parameter in trainable if name.endswith("weight") and parameter.ndim > 1]
    free = [parameter for name, parameter in trainable if not (name.endswith("weight") and parameter.ndim > 1)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def fit(
    model: nn.Module,
    loss_fn: LossFn,
    batches: Batches,
    config: TrainConfig,
    run_dir: Path | str,
    *,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    save: Callable[[nn.Module, int, float], None] | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    teach: Callable[[nn.Module], None] | None = None,
    resume: bool = True,
    identity: str = "",
) -> FitResult:
    """Train `model` in place and return the averaged weights as `FitResult.model` (a copy, in eval mode).

    loss_fn(model, batch, generator) -> (scalar loss, dict of scalars to log).
    validate(averaged model) -> dict; runs under no_grad in eval mode, and must draw from generators of its own.
    save(averaged model, step, minutes) writes the checkpoint; called periodically, at the end and on SIGTERM.
    teach(averaged model), once and first: for losses that look at the average, whose weights are kept up to date.
    run_dir gets metrics.jsonl and resume.pt. With `resume` and a resume.pt there, the run goes on from it.
    identity: what else must not change between the two (a hash of the data, say).
    Several processes (see distributed.py) train one model; the first alone validates, saves and tells.

    Raises ValueError when resume.pt was written with another configuration or identity, FloatingPointError when the
    loss is not finite.
    """
    run_dir = Path(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    # Dropout inside models uses torch's global generator; forking keeps the caller's stream untouched.
    with torch.random.fork_rng(devices=[]), _terminated() as stop:
        torch.manual_seed(config.seed)
        run = TrainingRun(model, loss_fn, batches, config, run_dir, identity)
        if teach:
            teach(run.average.module)
        if resume and run.resume_file.exists():
            run.load()
        return run.loop(validate, save, progress, stop)


class TrainingRun:
    """State of one training run: everything that `resume.pt` holds. Writes nothing until it is told to save or log."""

    def __init__(
        self, model: nn.Module, loss_fn: LossFn, batches: Batches, config: TrainConfig, run_dir: Path, identity: str
    ) -> None:
        count = config.shards or distributed.size()
        # One is not said, so that a run of before there were several goes on.
        self.model, self.identity = model, identity
        self.config = replace(config, shards=count if count > 1 else None)
        self.resume_file, self.log = run_dir / "resume.pt", MetricsLog(run_dir / "metrics.jsonl")
        self.device = next(model.parameters()).device
        # As it is used: without dropout, also where a loss looks at it.
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay)).eval()
        groups = parameter_groups(model, config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
        self.trainable = [parameter for group in groups for parameter in group["params"]]
        self.shards = Shards(batches, count, config.seed, self.device)
        self.objective = objective(model, loss_fn)
        self.bf16 = config.bf16 and has_bfloat16(self.device)
        if config.bf16 and not self.bf16:
            logger.info("this processor has no bfloat16: training in float32, as bf16=false does")
        self.step, self.seconds = 0, 0.0

    def save(self) -> None:
        state = {
            "config": asdict(self.config),
            "identity": self.identity,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            **self.shards.state_dict(),
            "global_generator": torch.get_rng_state(),
        }
        if distributed.rank():
            return
        partial = self.resume_file.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.resume_file)

    def load(self) -> None:
        state = torch.load(self.resume_file, map_location=self.device, weights_only=True)
        ours, theirs = asdict(self.config), state["config"]
        names = [field.name for field in fields(TrainConfig) if field.name not in RESUMABLE_FIELDS]
        changed = [f"{name} {theirs.get(name)} -> {ours[name]}" for name in names if theirs.get(name) != ours[name]]
        if state.get("identity", self.identity) != self.identity:
            changed.append(f"data or options {state['identity']} -> {self.identity}")
        if changed:
            raise ValueError(f"{self.resume_file} was written with another configuration: {'; '.join(changed)}. "
                             "Use the same values, another output folder, or resume=false.")  # fmt: skip
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.shards.load_state_dict(state)
        torch.set_rng_state(state["global_generator"].cpu())
        self.step, self.seconds = state["step"], state["seconds"]
        if not distributed.rank():
            self.log.rewind(self.step)
        logger.info("resumed %s at step %d", self.resume_file, self.step)

    def spent(self) -> float:
        """Fraction of the budget that is used up."""
        by_steps = self.step / self.config.max_steps
        minutes = self.config.max_minutes
        return by_steps if minutes is None else max(by_steps, self.seconds / (60.0 * minutes))

    def train_step(self) -> dict[str, Tensor]:
        """One step of the optimiser; scalars to log."""
        rate = learning_rate(self.config, self.step, self.spent())
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        scalars = distributed.averaged(self.backward())
        norm = nn.utils.clip_grad_norm_(self.trainable, self.config.clip_norm)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        self.step += 1
        return {**scalars, "gradient_norm": norm.detach(), "learning_rate": torch.tensor(rate)}

    def backward(self) -> dict[str, Tensor]:
        """Gradients of the mean loss of this process's batches; that and other scalars, averaged."""
        meter = Meter()
        for batch, generator in self.shards:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                loss, scalars = self.objective(batch, generator)
            (loss / len(self.shards)).backward()
            meter.add({name: torch.as_tensor(v).detach().float() for name, v in {"loss": loss, **scalars}.items()})
        return meter.means()

    def evaluate(self, validate: Callable[[nn.Module], dict[str, float]]) -> dict[str, float]:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            metrics = {f"validation/{name}": float(value) for name, value in validate(self.average.module).items()}
        self.log.write(self.step, self.seconds / 60, metrics)
        return metrics

    def loop(self, validate, save, progress, stop) -> FitResult:
        config, meter, metrics, first = self.config, Meter(), {}, not distributed.rank()
        self.model.train()
        clock = saved = validated = time.monotonic()
        (stopped,) = distributed.first_says([bool(stop)], self.device)  # a signal may have come to one alone
        while self.spent() < 1.0 and not stopped:
            meter.add(self.train_step())
            now = time.monotonic()
            self.seconds, due, stopped = distributed.first_says(
                [self.seconds + now - clock, (now - saved) / 60 >= config.save_minutes, bool(stop)], self.device
            )
            finished = self.spent() >= 1.0 or bool(stopped)
            if finished or due or self.step % config.log_every == 0:
                scalars = meter.flush(self.step)
                if first:
                    self.log.write(self.step, self.seconds / 60, scalars)
                if first and progress:
                    progress(self.step, scalars)
            by_clock = config.validate_minutes is not None and (now - validated) / 60 >= config.validate_minutes
            if first and validate and (finished or by_clock or self.step % config.validate_every == 0) and not stopped:
                metrics = self.evaluate(validate)
                validated = time.monotonic()
                if progress:
                    progress(self.step, metrics)
            if finished or due:
                self.save()
                self.publish(save if first else None)
                saved = time.monotonic()
            # Validation and saving are not training: they must not eat the minutes that the schedule counts.
            clock = time.monotonic()
        model = self.average.module
        return FitResult(model, self.step, self.seconds / 60, metrics, interrupted=bool(stopped))

    def publish(self, save) -> None:
        if save:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                save(self.average.module, self.step, self.seconds / 60)


class Meter:
    """Means of scalars between two log lines."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, scalars: dict[str, Tensor]) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in scalars.items()}
        self.count += 1

    def means(self) -> dict[str, Tensor]:
        return {name: value / self.count for name, value in self.sums.items()}

    def flush(self, step: int) -> dict[str, float]:
        """Raises FloatingPointError when the loss or the gradient was not finite since the last flush."""
        means = {name: float(value) for name, value in self.means().items()}
        bad = [name for name in ("loss", "gradient_norm") if not math.isfinite(means.get(name, 0.0))]
        if bad:
            raise FloatingPointError(
                f"{' and '.join(bad)} not finite within the {self.count} steps before step {step}; "
                "lower the learning rate, or look at the data"
            )
        self.sums, self.count = {}, 0
        return means


class MetricsLog:
    """JSON lines {step, minutes, name: value...}, appended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, step: int, minutes: float, metrics: dict[str, float]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, "minutes": round(minutes, 4), **metrics}) + "\n")

    def rewind(self, step: int) -> None:
        """Drop what was logged after `step`: a killed run may have gone on past its last saved state."""
        kept = [line for line in self.read() if line["step"] <= step]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def read(self) -> list[dict[str, float]]:
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


@contextmanager
def _terminated() -> Iterator[list[int]]:
    """A list that becomes non-empty on SIGTERM or Ctrl-C (only in the main thread, where Python allows handlers)."""
    received: list[int] = []

    def receive(number: int, _frame: object) -> None:
        if number in received:  # asked twice: no patience left
            raise KeyboardInterrupt
        received.append(number)

    try:
        previous = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        yield received
        return
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
