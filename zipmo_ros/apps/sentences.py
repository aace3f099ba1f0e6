"""`zipmo sentences`: what the planner makes of wordings, without moving."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from zipmo_ros.apps.configuration import Count, Seed, load, plain
from zipmo_ros.apps.motion import aligned
from zipmo_ros.contract.protocols import Execution
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.splits import BY_NAME
from zipmo_ros.data.wordings import FAMILIES, ONCE, Family
from zipmo_ros.evaluation.origin import origin, shown
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_refusals
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.evaluation.sentence_table import COLUMNS, PROTOCOL, PointingPlanner, cells, measure, summary
from zipmo_ros.models import bundle_hash, bundle_path, load_planner
from zipmo_sim.suites import tasks
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError

STATES = {"development": "development", "test": "evaluation"}  # of splits.BY_NAME, by family


@dataclass(frozen=True)
class SentencesRequest:
    """Keys of config/hydra/sentences.yaml."""

    suite: str
    family: Literal["development", "test"]
    count: Count
    seed: Seed
    checkpoint: str | None
    planner: str | None
    libero_assets: Path | None
    out: Path


def main(argv: list[str]) -> int:
    """0, or 2 for a wrong request."""
    try:
        request = load("sentences", argv, SentencesRequest)
        if request.family == FAMILIES[-1]:
            print(ONCE)
        bundle = bundle_path(request.checkpoint, request.suite, request.planner)
        hashes = {"checkpoint": bundle_hash(bundle)}
        states = BY_NAME[STATES[request.family]]
        planner = load_planner(request.planner, bundle, load_robot(), Execution())
        if not isinstance(planner, PointingPlanner):
            raise ValueError(f"planner '{planner.spec.name}' does not say where it points")
        scenes = len({task.scene for task in tasks(request.suite)})
        with tqdm(total=request.count * scenes, unit="layout", desc="sentences") as bar:
            rows = measure(planner, request.suite, Family.load(request.family), states, request.count, request.seed,
                           request.libero_assets, bar.update)  # fmt: skip
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo sentences: {error}", file=sys.stderr)
        return 2
    report = {**asked("sentences", argv, plain(request)), "protocol": PROTOCOL, "suite": request.suite,
              "family": request.family, "states": STATES[request.family], "seed": request.seed,
              "checkpoint": shown(bundle), "hashes": hashes, **origin(),
              **summary(rows), "rows": rows}  # fmt: skip
    write_json(request.out, report)
    print(aligned(COLUMNS, cells(report)))
    written = [str(request.out)]
    if report["curve"]:
        picture = request.out.with_suffix(".png")
        plot_refusals(report, picture)
        written.append(str(picture))
    else:
        print("the planner can't tell whether it understood: nothing is refused")
    print(f"protocol {report['protocol']}; written to {' and '.join(written)}")
    return 0
