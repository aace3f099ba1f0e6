"""`zipmo bench env`: steps a second of an environment with both cameras, beside LIBERO's own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zipmo_ros.apps.configuration import Count, Seed, load, plain
from zipmo_ros.evaluation.env_times import ORIGINAL, SteppedScene, env_report, step_times
from zipmo_ros.evaluation.origin import origin
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.places import LostError
from zipmo_ros.evaluation.results import write_json
from zipmo_sim.provenance import asset_hash
from zipmo_sim.suites import task, tasks
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError

TARGET = 3.0  # times LIBERO's own steps a second, in the fast look


@dataclass(frozen=True)
class BenchEnvRequest:
    """Keys of config/hydra/bench_env.yaml."""

    suite: str
    task: str | None
    size: Count | None
    steps: Count
    turns: Count
    seed: Seed
    libero_assets: Path | None
    out: Path


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    host, rows = report["machine"], report["rows"]
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; {report['date']}",
        f"{report['suite']}, {report['task']}: a control step with both cameras",
        "",
        f"  {'environment':<16}{'CPU ms':>9}{'wall ms':>9}{'steps/s':>9}{'x LIBERO':>10}{'p25-p75':>14}",
    ]
    for row in rows:
        ratio = (
            ("-", "")
            if row["ratio"] is None
            else (f"{row['ratio']:.2f}", "{:.2f}-{:.2f}".format(*row["ratio_p25_p75"]))
        )
        lines.append(f"  {row['column']:<16}{row['cpu_ms']:>9.1f}{row['wall_ms']:>9.1f}{row['steps_a_second']:>9.1f}"
                     f"{ratio[0]:>10}{ratio[1]:>14}")  # fmt: skip
    lines += [
        "",
        "steps/s: of CPU time, all threads of a process; ratios: of turns that each take with the same actions.",
    ]
    if rows[0]["ratio"] is None:
        lines.append(f"{ORIGINAL} has no {report['suite']}: name one of its suites, as in suite=libero_object.")
    else:
        met = "met" if rows[0]["ratio"] >= TARGET else "missed"
        lines.append(f"target: at least {TARGET:g} times {ORIGINAL} in the {rows[0]['column']} look: {met}")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """0; 1 if an environment broke; 2 for a wrong request."""
    try:
        request = load("bench_env", argv, BenchEnvRequest)
        chosen = task(request.suite, request.task) if request.task else tasks(request.suite)[0]
        scene = SteppedScene(request.suite, chosen.name, request.size, request.libero_assets)
        hashes = {"assets": asset_hash(request.suite, request.libero_assets)}
        times = step_times(scene, request.steps, request.turns, request.seed)
    except (ValueError, FileNotFoundError, LiberoNotInstalledError, LostError) as error:
        print(f"zipmo bench env: {error}", file=sys.stderr)
        return 1 if isinstance(error, LostError) else 2
    report = {
        **asked("bench env", argv, plain(request)), **origin(), "suite": scene.suite, "task": scene.task,
        "hashes": hashes, "target": TARGET, "rows": env_report(times),
    }  # fmt: skip
    write_json(request.out / "env.json", report)
    print(table(report))
    print(f"\nwritten to {request.out / 'env.json'}")
    return 0
