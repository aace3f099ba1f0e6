"""`zipmo bench loop`: where each millisecond of a control period goes."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from zipmo_ros.apps.configuration import Count, Domain, EulerSteps, Range, Seed, load, plain
from zipmo_ros.contract.splits import EVALUATION
from zipmo_ros.evaluation.loop_times import LOOP, ORDER, loop_report
from zipmo_ros.evaluation.origin import check_device, origin
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_loop
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.nodes.client import GraphDriver
from zipmo_ros.nodes.graph import GRAPHS, PLANNER, POLICY, SIM
from zipmo_ros.nodes.stopwatch import FOLDER, read_laps
from zipmo_sim.suites import tasks

TARGET_MS = 3.0  # of the loop's own part of a period, at the median


@dataclass(frozen=True)
class BenchLoopRequest:
    """Keys of config/hydra/bench_loop.yaml."""

    checkpoint: str | None
    planner: Literal["zipmo", "arfm", "atm"] | None
    suite: str
    periods: Count
    warm_up: Annotated[int, Range(1)]
    nfe: EulerSteps | None
    device: str
    seed: Seed
    domain: Domain | None
    out: Path


def measure(request: BenchLoopRequest) -> dict[str, Any]:
    """Run episodes of timed nodes until there are enough periods. Raises RuntimeError for what breaks, ValueError for
    what can't be measured.
    """
    check_device(request.device)
    task = tasks(request.suite)[0]
    timed = {entry.name for entry in (PLANNER, POLICY, SIM)}
    graph = GRAPHS["sim"]
    nodes = tuple(
        dataclasses.replace(node, module="zipmo_ros.nodes.timed") if node.name in timed else node
        for node in graph.nodes
    )
    given = {
        "suite": request.suite,
        "checkpoint": request.checkpoint or "",
        "planner": request.planner or "",
        "nfe": "" if request.nfe is None else str(request.nfe),
        "device": request.device,
        "mode": "lockstep",
        "replan_every": "1",
        "max_steps": str(request.warm_up + request.periods + 1),
        "seed": str(request.seed),
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        with GraphDriver(given, graph=dataclasses.replace(graph, nodes=nodes), domain=request.domain) as driver:
            left = request.periods
            for number, state in enumerate(itertools.cycle(EVALUATION)):
                ended = driver.run_episode(task.name, task.name, state, request.seed, number, task.language)
                left -= max(0, ended["step"] - request.warm_up - 1)
                if left <= 0 or ended["step"] <= request.warm_up + 1:
                    break
        return loop_report(read_laps(Path(folder)), request.warm_up)


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    host = report["machine"]
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; device "
        f"{report['settings']['device']}; {report['date']}",
        f"{report['periods']} control periods in lockstep, each with images, a plan and a chunk of actions",
        "",
        f"  {'part':<26}{'p25 ms':>9}{'p50 ms':>9}{'p75 ms':>9}{'p95 ms':>9}",
    ]
    rows = {name: report["parts"][name] for name in ORDER}
    rows |= {"loop itself (marked *)": report["overhead"], "whole period": report["period"]}
    for name, row in rows.items():
        figures = "".join(f"{row[key]:>9.2f}" for key in ("p25_ms", "p50_ms", "p75_ms", "p95_ms"))
        lines.append(f"  {name + (' *' if name in LOOP else ''):<26}{figures}")
    met = "met" if report["overhead"]["p50_ms"] < report["target_ms"] else "missed"
    return "\n".join([*lines, "", f"target: under {report['target_ms']:g} ms for the loop itself at the median: {met}"])


def main(argv: list[str]) -> int:
    """0; 1 where the graph broke; 2 for a wrong request."""
    try:
        request = load("bench_loop", argv, BenchLoopRequest)
        figures = measure(request)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        print(f"zipmo bench loop: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    report = {**asked("bench loop", argv, plain(request)), **origin(), "target_ms": TARGET_MS, **figures}
    results, picture = request.out / "loop.json", request.out / "loop.png"
    write_json(results, report)
    plot_loop(report, picture)
    print(table(report))
    print(f"\nwritten to {results} and {picture}")
    return 0
