"""`zipmo bench plan`: latency of planning, and what each saving is worth, measured in one run."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from zipmo_ros.apps.configuration import load
from zipmo_ros.evaluation.origin import machine, origin, request, shown
from zipmo_ros.evaluation.plan_variants import applicable, plan, plan_without
from zipmo_ros.evaluation.plotting import plot_bench
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.models import bundle_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.flow import plan_noise
from zipmo_ros.motion.text import embed_sentences
from zipmo_ros.motion.zipmo.config import planner_base_libero, planner_nano
from zipmo_ros.motion.zipmo.planner import MotionPlanner

PRESETS = {"nano": planner_nano, "base": planner_base_libero}
SENTENCE = "put the milk in the left bin"
FULL, PLAIN = "full", "plain"
TOLERANCE = 1e-3  # of the largest latent value: variants differ by rounding only


class Subject(NamedTuple):
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


def load_planner(size: str, source: str | None, device: str) -> tuple[MotionPlanner, str, str | None]:
    """(planner, where its weights are from, their hash or None). FileNotFoundError if `source` has no planner."""
    if size != "nano" or source == "random":
        model = MotionPlanner(PRESETS[size]())
        wake(model)
        return model.to(device).eval(), "random", None
    directory = bundle_path(source)
    directory = directory if (directory / checkpoint.CONFIG).is_file() else directory / "planner"
    if not directory.is_dir():
        raise FileNotFoundError(f"there is no planner in '{source}'")
    model = checkpoint.load(directory, MotionPlanner, device)
    if model.config.text is None or model.config.step_token:
        raise ValueError(f"{directory} is no planner for the closed loop (frames and a sentence); bench measures those")
    return model, shown(directory), checkpoint.content_hash(directory)


def prepare(size: str, source: str | None, device: str, seed: int) -> Subject:
    torch.manual_seed(seed)
    planner, weights, digest = load_planner(size, source, device)
    config = planner.config
    draw = np.random.default_rng(seed)
    images = torch.from_numpy(draw.integers(0, 256, (1, config.views, 128, 128, 3), dtype=np.uint8))
    noise = torch.from_numpy(plan_noise(seed, 0, (1, config.latent_tokens, config.latent_channels)))
    # Its values change no latency; BERT, of the released sizes, does not come with the package.
    text = embed_sentences([SENTENCE]) if config.text.encoder == "minilm" else torch.randn(1, config.text.width)
    return Subject(planner, weights, digest, *(x.to(device) for x in (images, text, noise)))


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


def stage_calls(subject: Subject) -> dict[str, Callable[[], Any]]:
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
        calls["sentence, cached"] = lambda: embed_sentences([SENTENCE])
    return {name: torch.no_grad()(call) for name, call in calls.items()}


def plan_calls(subject: Subject, nfe: list[int]) -> dict[tuple[str, int], Callable[[], Tensor]]:
    """Plans by (variant, steps): the implementation, each saving undone, all of them undone."""
    inputs = (subject.planner, subject.images, subject.text, subject.noise)
    names = [saving.name for saving in applicable(subject.planner.config)]
    undone = {**{f"without {name}": frozenset([name]) for name in names}, PLAIN: frozenset(names)}
    calls = {}
    for steps in nfe:
        calls[FULL, steps] = partial(plan, *inputs, steps)
        for variant, without in undone.items():
            calls[variant, steps] = partial(plan_without, *inputs, steps, without)
    return calls


def measure(subject: Subject, nfe: list[int], repetitions: int, device: str, seed: int) -> dict:
    """The report of one size. A ratio is the median over repetitions of variant / full of the same repetition."""
    plans, stages = plan_calls(subject, nfe), stage_calls(subject)
    first, results = {}, {}
    for key, call in tqdm(plans.items(), desc="warming up", disable=None):
        first[key], results[key] = timed(call, device)
    for call in stages.values():
        timed(call, device)
    times = interleave({**plans, **stages}, repetitions, device, seed)
    rows = []
    for variant, steps in plans:
        own, full = times[variant, steps], times[FULL, steps]
        ratios = own.wall / full.wall
        difference = (results[variant, steps] - results[FULL, steps]).abs().max().item()
        rows.append(
            {
                "variant": variant,
                "nfe": steps,
                **percentiles(own),
                "warm_up_ms": round(first[variant, steps].wall, 4),
                "ratio": round(float(np.median(ratios)), 4),
                "ratio_p25_p75": [round(float(x), 4) for x in np.percentile(ratios, (25, 75))],
                "cpu_ratio": round(float(np.median(own.cpu) / np.median(full.cpu)), 4),
                "max_abs_difference": difference,
            }
        )
    config = subject.planner.config
    return {
        "weights": subject.weights,
        "hash": subject.hash,
        "parameters": sum(p.numel() for p in subject.planner.parameters()),
        "repetitions": repetitions,
        "largest_output": max(float(x.abs().max()) for x in results.values()),
        "savings": {saving.name: saving.what for saving in applicable(config)},
        "stages": {name: percentiles(times[name]) for name in stages},
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


def table(report: dict) -> str:
    """The report as text."""
    host = report["machine"]
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; device {host['device']}; "
        f"torch {host['torch']}, {host['threads']} threads; {report['date']}"
    ]
    for size, result in report["sizes"].items():
        weights = f"{result['weights']} {(result['hash'] or '')[:12]}".strip()
        count = f"{result['parameters'] / 1e6:.1f} M parameters, {result['repetitions']} repetitions"
        lines += [
            "",
            f"{size}: weights {weights}; {count}",
            f"  {'part of a plan':<20}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}",
        ]
        for name, ms in result["stages"].items():
            lines.append(f"  {name:<20}{ms['p50_ms']:>10.2f}{ms['p95_ms']:>10.2f}{ms['cpu_p50_ms']:>10.2f}")
        columns = ("p50 ms", "p95 ms", "CPU ms", "warm-up", "x full", "x CPU")
        lines += ["", f"  {'plan':<20}{'NFE':>5}" + "".join(f"{c:>9}" for c in columns) + f"{'difference':>13}"]
        for row in result["plans"]:
            milliseconds = (row[key] for key in ("p50_ms", "p95_ms", "cpu_p50_ms", "warm_up_ms"))
            lines.append(
                f"  {row['variant']:<20}{row['nfe']:>5}"
                + "".join(f"{ms:>9.1f}" for ms in milliseconds)
                + f"{row['ratio']:>9.3f}{row['cpu_ratio']:>9.3f}{row['max_abs_difference']:>13.1e}"
            )
        lines += ["", *(f"  {name}: {what}" for name, what in result["savings"].items())]
    lines += ["", "p50 and p95 by the clock; CPU: of this process. On a busy machine x CPU is the steadier ratio."]
    return "\n".join(lines)


def differing(report: dict) -> list[str]:
    """Variants whose plan is not the full version's."""
    return [
        f"{size}, {row['variant']}, {row['nfe']} steps"
        for size, result in report["sizes"].items()
        for row in result["plans"]
        if not row["max_abs_difference"] <= TOLERANCE * result["largest_output"]  # NaN differs too
    ]


def bench_plan(config: Any) -> dict:
    """Measure what the configuration asks for. Raises ValueError or FileNotFoundError for a wrong request."""
    if unknown := set(config.sizes) - set(PRESETS):
        raise ValueError(f"sizes are {', '.join(PRESETS)}; got {', '.join(sorted(map(str, unknown)))}")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    report = {
        **origin(),
        "machine": machine_in_use(config.device),
        "seed": config.seed,
        "sizes": {},
    }
    for size in config.sizes:
        prefix = "base_" if size == "base" else ""
        nfe, repetitions = list(config[f"{prefix}nfe"]), config[f"{prefix}repetitions"]
        if not nfe or min(nfe) < 1 or repetitions < 1:
            raise ValueError(f"{prefix}nfe and {prefix}repetitions must be positive, got {nfe} and {repetitions}")
        subject = prepare(size, config.checkpoint, config.device, config.seed)
        report["sizes"][size] = measure(subject, nfe, repetitions, config.device, config.seed)
    return report


def main(argv: list[str]) -> int:
    """0; 1 if variants plan differently, so that their times cannot be compared; 2 for a wrong request."""
    what, *overrides = argv or [""]
    try:
        if what in ("-h", "--help"):
            load("bench", ["--help"])
        if what != "plan":
            raise ValueError(f"say what to measure: zipmo bench plan [key=value ...]; got '{what}'")
        config = load("bench", overrides)
        report = {**request("bench plan", overrides, config), **bench_plan(config)}
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo bench: {error}", file=sys.stderr)
        return 2
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "plan.json", report)
    plot_bench(report, out / "plan.png")
    print(table(report))
    print(f"\nwritten to {out / 'plan.json'} and {out / 'plan.png'}")
    if strays := differing(report):
        print(f"zipmo bench: these plans differ from the full version's: {', '.join(strays)}", file=sys.stderr)
    return int(bool(strays))
