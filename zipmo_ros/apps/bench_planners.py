"""`zipmo bench planners`: what a plan costs, planner beside planner."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zipmo_ros.apps.configuration import Count, EulerSteps, Range, Seed, load, plain
from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.protocols import Execution, Planner
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.bench import SENTENCE
from zipmo_ros.evaluation.origin import check_device, origin, shown
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.planner_times import plan_times
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.models import NAMED, PLANNER, bundle_path, load_planner
from zipmo_ros.motion.checkpoint import content_hash, numbers, read_description

THREADS = 1


@dataclass(frozen=True)
class BenchPlannersRequest:
    """Keys of config/hydra/bench_planners.yaml."""

    checkpoints: Annotated[tuple[str, ...], Range(1)]
    samples: Annotated[tuple[Count, ...], Range(1)]
    repeats: Count
    nfe: EulerSteps | None
    device: str
    seed: Seed
    out: Path


def compared(request: BenchPlannersRequest) -> tuple[dict[str, Planner], list[dict[str, Any]]]:
    """The planners by name, and what the report says of each: planner (of models.NAMED), checkpoint, hash, parameters.

    Raises ValueError or FileNotFoundError for what there is not.
    """
    check_device(request.device)
    planners, facts, robot = {}, [], load_robot()
    kinds = {kind: name for name, kind in NAMED.items()}
    for named in request.checkpoints:
        bundle = bundle_path(named)
        if named in planners:
            raise ValueError(f"{named} is named twice")
        # A planner without a sampler has no steps to be asked for.
        kind = read_description(bundle / PLANNER)["kind"]
        execution = Execution(request.device, THREADS, None if kind == NAMED["atm"] else request.nfe)
        planners[named] = load_planner(None, bundle, robot, execution)
        facts.append({"name": named, "planner": kinds[kind], "checkpoint": shown(bundle), "hash": content_hash(bundle),
                      "parameters": numbers(bundle / PLANNER)})  # fmt: skip
    return planners, facts


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    host, facts = report["machine"], {planner["name"]: planner for planner in report["planners"]}
    width = max(map(len, facts)) + 2
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; {report['date']}; {report['device']}",
        f"{'':{width + 41}}{'first plan':>20}{'a step later':>20}",
        f"  {'checkpoint':<{width}}{'planner':<9}{'parameters':>12}{'futures':>9}{'':7}{'ms':>10}{'CPU ms':>10}"
        f"{'ms':>10}{'CPU ms':>10}{'ratio':>8}{'p25-p75':>14}",
    ]
    for row in report["rows"]:
        fact, spread = facts[row["name"]], "{:.2f}-{:.2f}".format(*row["ratio_p25_p75"])
        lines.append(
            f"  {row['name']:<{width}}{fact['planner']:<9}{fact['parameters']:>12}{row['samples']:>9}{'':7}"
            f"{row['plan_ms']:>10.1f}{row['plan_cpu_ms']:>10.1f}{row['update_ms']:>10.1f}{row['update_cpu_ms']:>10.1f}"
            f"{row['ratio']:>8.2f}{spread:>14}"
        )
    first = report["rows"][0]
    of = f"{first['name']}'s with {first['samples']} at a time"
    told = f"ratio: the plan of a step later over {of}, in the same turn; of CPU time, where that is the device"
    return "\n".join([*lines, "", told])


def main(argv: list[str]) -> int:
    """0; 2 for a wrong request."""
    try:
        request = load("bench_planners", argv, BenchPlannersRequest)
        planners, facts = compared(request)
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo bench planners: {error}", file=sys.stderr)
        return 2
    rows = plan_times(planners, load_robot(), Sentence(SENTENCE), samples=request.samples, repeats=request.repeats,
                      device=request.device, seed=request.seed)  # fmt: skip
    report = {**asked("bench planners", argv, plain(request)), **origin(), "device": request.device,
              "planners": facts, "rows": rows}  # fmt: skip
    results = request.out / "planners.json"
    write_json(results, report)
    print(table(report))
    print(f"\nwritten to {results}")
    return 0
