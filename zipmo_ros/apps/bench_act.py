"""`zipmo bench act`: what a chunk of actions costs, beside lerobot's ACT."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zipmo_ros.apps.configuration import Count, EulerSteps, Range, Seed, load, plain
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.act_times import chunk_times
from zipmo_ros.evaluation.origin import origin, shown
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.models import bundle_path
from zipmo_ros.motion.checkpoint import content_hash

TARGET = 0.2  # of ACT's CPU time


@dataclass(frozen=True)
class BenchActRequest:
    """Keys of config/hydra/bench_act.yaml."""

    checkpoint: str | None
    nfe: Annotated[tuple[EulerSteps, ...], Range(1)]
    engines: Annotated[tuple[str, ...], Range(1)]
    threads: Count
    repetitions: Count
    seed: Seed
    out: Path


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    host, act = report["machine"], f"ACT ({report['act_parameters'] / 1e6:.1f} M parameters)"
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; {report['date']}",
        f"{report['checkpoint']} ({report['hash'][:12]}) beside {act}",
        "",
        f"  {'a chunk by':<28}{'engine':<9}{'p50 ms':>9}{'CPU ms':>9}{'x ACT':>8}{'x eager ACT':>13}",
    ]
    for row in report["rows"]:
        by = "ACT" if row["nfe"] is None else f"a plan of {row['nfe']} steps, policy"
        eager = "" if row["eager_ratio"] is None else f"{row['eager_ratio']:.3f}"
        lines.append(f"  {by:<28}{row['engine']:<9}{row['p50_ms']:>9.1f}{row['cpu_p50_ms']:>9.1f}"
                     f"{row['ratio']:>8.3f}{eager:>13}")  # fmt: skip
    told = (
        "x ACT: of CPU time, over ACT's by the same engine in the same repetition; x eager ACT: over that of ACT as\n"
        f"lerobot runs it, of which {TARGET:g} is aimed at with 4 steps"
    )
    return "\n".join([*lines, "", told])


def main(argv: list[str]) -> int:
    """0; 2 for a wrong request."""
    try:
        request = load("bench_act", argv, BenchActRequest)
        bundle = bundle_path(request.checkpoint)
        times = chunk_times(bundle, load_robot(), nfe=request.nfe, engines=request.engines, threads=request.threads,
                            repetitions=request.repetitions, seed=request.seed)  # fmt: skip
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo bench act: {error}", file=sys.stderr)
        return 2
    report = {**asked("bench act", argv, plain(request)), **origin(), "checkpoint": shown(bundle),
              "hash": content_hash(bundle), **times}  # fmt: skip
    write_json(request.out / "act.json", report)
    print(table(report))
    print(f"\nwritten to {request.out / 'act.json'}")
    return 0
