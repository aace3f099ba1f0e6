"""`zipmo bench plan`: latency of planning, and what each saving is worth, measured in one run."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from zipmo_ros.apps.configuration import Count, EulerSteps, Range, Seed, load, plain
from zipmo_ros.evaluation.bench import PRESETS, bench, differing
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plan_columns import COLUMNS
from zipmo_ros.evaluation.plotting import plot_bench
from zipmo_ros.evaluation.results import write_json

# What else is measured, by modules of its own.
OTHERS = {name: f"bench_{name}" for name in ("act", "env", "loop", "planners", "train", "transport")}


@dataclass(frozen=True)
class BenchRequest:
    """Keys of config/hydra/bench.yaml."""

    sizes: Annotated[tuple[Literal[tuple(PRESETS)], ...], Range(1)]
    checkpoint: str | None
    nfe: Annotated[tuple[EulerSteps, ...], Range(1)]
    repetitions: Count
    columns: tuple[Literal[tuple(COLUMNS)], ...]
    base_nfe: Annotated[tuple[EulerSteps, ...], Range(1)]
    base_repetitions: Count
    base_columns: tuple[Literal[tuple(COLUMNS)], ...]
    threads: Count | None
    device: str
    seed: Seed
    out: Path


def floor_line(steps: int, floor: dict) -> str:
    """The least that a plan can take."""
    return (
        f"  floor of {steps} steps: {floor['flops'] / 1e9:.3g} GFLOP, {floor['products_ms']:.2f} ms by this machine's "
        f"products of matrices; {floor['bytes'] / 2**20:.3g} MiB of weights, {floor['reading_ms']:.2f} ms to read"
    )


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
        columns = ("p50 ms", "p95 ms", "CPU ms", "cold s", "MiB", "x full", "x CPU", "x floor", "quicker", "difference")
        lines += ["", f"  {'plan':<20}{'NFE':>5}" + "".join(f"{column:>11}" for column in columns)]
        for row in result["plans"]:
            told = (
                *(f"{row[key]:.1f}" for key in ("p50_ms", "p95_ms", "cpu_p50_ms")),
                f"{row['warm_up_ms'] / 1e3:.2f}", f"{row['warm_up_mib']:.0f}", f"{row['ratio']:.3f}",
                f"{row['cpu_ratio']:.3f}", f"{row['of_floor']:.2f}", f"{row['times_quicker_than_plain']:.2f}",
                f"{row['max_abs_difference']:.1e}",
            )  # fmt: skip
            lines.append(f"  {row['variant']:<20}{row['nfe']:>5}" + "".join(f"{cell:>11}" for cell in told))
        lines += ["", *(floor_line(int(steps), floor) for steps, floor in result["floors"].items())]
        lines += ["", *(f"  {name}: {what}" for name, what in {**result["savings"], **result["columns"]}.items())]
        lines += [f"  {name} is left out: {why}" for name, why in result["left_out"].items()]
    lines += [
        "",
        "p50 and p95 by the clock; CPU: of this process. On a busy machine x CPU is the steadier ratio.",
        "cold s, MiB: what the first plan takes, and by how much the process grows. x floor: time over that of the",
        "machine's own products of matrices for the same operations. quicker: how many times, than plain.",
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """0; 1 if variants plan differently, so that their times cannot be compared; 2 for a wrong request."""
    what, *overrides = argv or [""]
    if what in OTHERS:
        return importlib.import_module(f"zipmo_ros.apps.{OTHERS[what]}").main(overrides)
    try:
        if what in ("-h", "--help"):
            load("bench", [what])
        if what != "plan":
            kinds = "|".join(("plan", *OTHERS))
            raise ValueError(f"say what to measure: zipmo bench {kinds} [key=value ...]; got '{what}'")
        request = load("bench", overrides, BenchRequest)
        known = {
            "nano": (request.nfe, request.repetitions, request.columns),
            "base": (request.base_nfe, request.base_repetitions, request.base_columns),
        }
        figures = bench({size: known[size] for size in request.sizes}, request.checkpoint, device=request.device,
                        threads=request.threads, seed=request.seed)  # fmt: skip
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo bench: {error}", file=sys.stderr)
        return 2
    report = {**asked("bench plan", overrides, plain(request)), **figures}
    results, picture = request.out / "plan.json", request.out / "plan.png"
    write_json(results, report)
    plot_bench(report, picture)
    print(table(report))
    print(f"\nwritten to {results} and {picture}")
    if strays := differing(report):
        print(f"zipmo bench: these plans differ from the full version's: {', '.join(strays)}", file=sys.stderr)
    return int(bool(strays))
