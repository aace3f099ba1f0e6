"""Latency of planning, and what each saving is worth, measured in one run: the report of `zipmo bench plan`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.evaluation.origin import check_device, machine, origin, shown
from zipmo_ros.evaluation.plan_columns import COLUMNS, SIDE, STREAM, left_out, machine_calls, needed_flops, read_bytes
from zipmo_ros.evaluation.plan_variants import applicable, plan, plan_without
from zipmo_ros.models import bundle_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.flow import plan_noise
from zipmo_ros.motion.text import embed_for
from zipmo_ros.motion.zipmo.config import planner_base_libero, planner_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner

PRESETS = {"nano": planner_nano, "base": planner_base_libero}
SENTENCE = "put the milk in the left bin"
FULL, PLAIN = "full", "plain"
TOLERANCE = 1e-3  # of the largest latent value: variants differ by rounding only


class BenchSubject(NamedTuple):
    """A planner to be measured, and the inputs of one plan."""

    planner: MotionPlanner
    weights: str
    hash: str | None
    images: Tensor
    text: Tensor
    noise: Tensor


def wake(model: torch.nn.Module) -> None:
    """Give matrices that start at zero random values: with them at zero no layer changes anything."""
    for parameter in model.parameters():
        if parameter.ndim > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.5 * parameter[0].numel() ** -0.5)


def planner_directory(named: str | None) -> Path | None:
    """Directory of the planner that is named: itself, a bundle (see bundle_path), or None for "random" weights.

    Raises FileNotFoundError without one, ValueError for one that takes no sentence or no frames alone.
    """
    if named == "random":
        return None
    directory = bundle_path(named)
    directory = directory if (directory / checkpoint.CONFIG).is_file() else directory / "planner"
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no planner in '{named}'")
    config = checkpoint.read_config(directory, MotionPlanner)
    if config.text is None or config.step_token:
        raise ValueError(f"{directory} is no planner for the closed loop (frames and a sentence); bench measures those")
    return directory


def prepare(size: str, directory: Path | None, device: str, seed: int) -> BenchSubject:
    """A planner, from `directory` or of `size` with random weights, and its inputs."""
    torch.manual_seed(seed)
    if directory is None:
        planner, weights, digest = MotionPlanner(PRESETS[size]()), "random", None
        wake(planner)
        planner.to(device).eval()
    else:
        planner = checkpoint.load(directory, MotionPlanner, device)
        weights, digest = shown(directory), checkpoint.content_hash(directory)
    config = planner.config
    draw = np.random.default_rng(seed)
    size = (1, config.views, IMAGE_SIZE, IMAGE_SIZE, 3)  # as cameras give them: the encoder fits them to its own
    images = torch.from_numpy(draw.integers(0, 256, size, dtype=np.uint8))
    noise = torch.from_numpy(plan_noise(seed, 0, (1, config.latent_tokens, config.latent_channels)))
    # Its values change no latency; BERT, of the released sizes, does not come with the package.
    text = embed_for(config.text, [SENTENCE]) if config.text.encoder == "minilm" else torch.randn(1, config.text.width)
    return BenchSubject(planner, weights, digest, *(x.to(device) for x in (images, text, noise)))


class Times(NamedTuple):
    """Milliseconds: by the clock, and of this process's CPU time, which other processes do not lengthen by waiting."""

    wall: Any
    cpu: Any


def timed(call: Callable[[], Any], device: str) -> tuple[Times, Any]:
    """(times, result), waiting for the device before and after."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else (lambda: None)
    wait()
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    wait()
    return Times(1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)), result


def interleave(
    calls: dict[Hashable, Callable[[], Any]], repetitions: int, device: str, seed: int
) -> dict[Hashable, Times]:
    """Times [repetitions] of every call: each repetition makes all calls once, in a new order."""
    order, shuffle = list(calls), random.Random(seed)
    times = {key: [] for key in calls}
    for _ in tqdm(range(repetitions), desc="repetitions", disable=None):
        shuffle.shuffle(order)
        for key in order:
            times[key].append(timed(calls[key], device)[0])
    return {key: Times(*np.array(values).T) for key, values in times.items()}


def percentiles(times: Times) -> dict[str, float]:
    p50, p95 = np.percentile(times.wall, (50, 95))
    named = {"p50_ms": p50, "p95_ms": p95, "cpu_p50_ms": np.median(times.cpu)}
    return {name: round(float(value), 4) for name, value in named.items()}


def stage_calls(subject: BenchSubject) -> dict[str, Callable[[], Any]]:
    """The parts of a plan."""
    planner, images, text, noise = subject.planner, subject.images, subject.text, subject.noise
    with torch.no_grad():
        tokens = planner.encode_images(images, text)
        conditioning = planner.condition(image_tokens=tokens, text=text)
        gains = planner.gains(1.0, conditioning)
    calls = {
        "image encoding": lambda: planner.encode_images(images, text),
        "conditioning": lambda: planner.condition(image_tokens=tokens, text=text),
        "norms, one step": lambda: planner.gains(1.0, conditioning),
        "velocity, one step": lambda: planner.velocity(noise, 1.0, conditioning, gains),
    }
    if planner.config.text.encoder == "minilm":
        calls["sentence, cached"] = lambda: embed_for(planner.config.text, [SENTENCE])
    return {name: torch.no_grad()(call) for name, call in calls.items()}


def plan_calls(
    subject: BenchSubject, nfe: Sequence[int], columns: Sequence[str]
) -> dict[tuple[str, int], Callable[[], Tensor]]:
    """Plans by (variant, steps): the implementation, each saving undone, the columns, all savings undone."""
    inputs = (subject.planner, subject.images, subject.text, subject.noise)
    names = [saving.name for saving in applicable(subject.planner.config)]
    undone = {f"without {name}": frozenset([name]) for name in names}
    calls = {}
    for steps in nfe:
        calls[FULL, steps] = partial(plan, *inputs, steps)
        for variant, without in undone.items():
            calls[variant, steps] = partial(plan_without, *inputs, steps, without)
        for column in columns:
            calls[column, steps] = COLUMNS[column].make(*inputs, steps)
        calls[PLAIN, steps] = partial(plan_without, *inputs, steps, frozenset(names))
    return calls


class FirstCall(NamedTuple):
    """What a call took that pays for setting up, and by how many MiB the process has grown with it."""

    seconds: float
    mib: float
    result: Tensor


def first_calls(plans: dict[tuple[str, int], Callable[[], Tensor]], device: str) -> dict[tuple[str, int], FirstCall]:
    """Each plan once."""
    found = {}
    for key, call in tqdm(plans.items(), desc="warming up", disable=None):
        before = resident_mib()
        times, result = timed(call, device)
        found[key] = FirstCall(times.wall / 1e3, resident_mib() - before, result)
    return found


def resident_mib() -> float:
    """Memory of this process, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def plan_floor(subject: BenchSubject, steps: int, times: Mapping[Hashable, Times], clock: str) -> dict[str, Any]:
    """The least that a plan of so many steps takes: ms [repetitions] by its operations, and ms by the weights read."""
    flops = needed_flops(subject.planner, subject.images, subject.text, subject.noise, steps)
    read = read_bytes(subject.planner, steps)
    return {
        "flops": flops,
        "bytes": read,
        "products_ms": getattr(times["products"], clock) * flops / (2 * SIDE**3),
        "reading_ms": float(np.median(getattr(times["reading"], clock))) * read / (4 * STREAM),
    }


def measure(
    subject: BenchSubject, nfe: Sequence[int], repetitions: int, columns: Sequence[str], device: str, seed: int
) -> dict:
    """The report of one size. A ratio is the median over repetitions of variant / full of the same repetition."""
    plans = plan_calls(subject, nfe, columns)
    others = {**stage_calls(subject), **machine_calls(device)}
    first = first_calls(plans, device)
    for call in others.values():
        timed(call, device)
    times = interleave({**plans, **others}, repetitions, device, seed)
    clock = "cpu" if device == "cpu" else "wall"  # the steadier one, where the work is the CPU's
    floors = {steps: plan_floor(subject, steps, times, clock) for steps in nfe}
    tolerances = {name: COLUMNS[name].tolerance for name in columns}
    rows = []
    for variant, steps in plans:
        own, full, plain = (times[name, steps] for name in (variant, FULL, PLAIN))
        ratios = own.wall / full.wall
        rows.append(
            {
                "variant": variant,
                "nfe": steps,
                **percentiles(own),
                "warm_up_ms": round(1e3 * first[variant, steps].seconds, 4),
                "warm_up_mib": round(first[variant, steps].mib, 1),
                "ratio": round(float(np.median(ratios)), 4),
                "ratio_p25_p75": [round(float(x), 4) for x in np.percentile(ratios, (25, 75))],
                "cpu_ratio": round(float(np.median(own.cpu) / np.median(full.cpu)), 4),
                "times_quicker_than_plain": round(float(np.median(getattr(plain, clock) / getattr(own, clock))), 4),
                "of_floor": round(float(np.median(getattr(own, clock) / floors[steps]["products_ms"])), 3),
                "max_abs_difference": (first[variant, steps].result - first[FULL, steps].result).abs().max().item(),
                "tolerance": tolerances.get(variant, TOLERANCE),
            }
        )
    return {
        "weights": subject.weights,
        "hash": subject.hash,
        "parameters": sum(p.numel() for p in subject.planner.parameters()),
        "repetitions": repetitions,
        "largest_output": max(float(call.result.abs().max()) for call in first.values()),
        "savings": {saving.name: saving.what for saving in applicable(subject.planner.config)},
        "columns": {name: COLUMNS[name].what for name in columns},
        "stages": {name: percentiles(times[name]) for name in others},
        "floors": {
            str(steps): {**floor, "products_ms": float(np.median(floor["products_ms"]))}
            for steps, floor in floors.items()
        },
        "plans": rows,
    }


def machine_in_use(device: str) -> dict:
    """The machine, and what of it this process uses."""
    return {
        **machine(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def differing(report: dict) -> list[str]:
    """Variants whose plan is not the full version's."""
    return [
        f"{size}, {row['variant']}, {row['nfe']} steps"
        for size, result in report["sizes"].items()
        for row in result["plans"]
        if row["tolerance"] is not None
        and not row["max_abs_difference"] <= row["tolerance"] * result["largest_output"]  # NaN differs too
    ]


def bench(
    amounts: Mapping[str, tuple[Sequence[int], int, Sequence[str]]],
    named: str | None,
    *,
    device: str = "cpu",
    threads: int | None = None,
    seed: int = 0,
) -> dict:
    """The report of the sizes (of PRESETS) in `amounts`, each with its Euler steps, repetitions, and which COLUMNS.

    named: weights of nano, see planner_directory. threads: of torch, None for as many as it uses.
    Raises ValueError or FileNotFoundError for what can't be measured, before anything is.
    """
    check_device(device)
    directories = {size: planner_directory(named) if size == "nano" else None for size in amounts}
    if threads is not None:
        torch.set_num_threads(threads)
    report = {**origin(), "machine": machine_in_use(device), "seed": seed, "sizes": {}}
    for size, (nfe, repetitions, columns) in amounts.items():
        subject, without = prepare(size, directories[size], device, seed), left_out(columns, device)
        there = [name for name in columns if name not in without]
        report["sizes"][size] = {**measure(subject, nfe, repetitions, there, device, seed), "left_out": without}
    return report
