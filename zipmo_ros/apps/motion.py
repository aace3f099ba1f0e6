"""`zipmo motion`: planner and autoencoder alone, on held-out demonstrations."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zipmo_ros.apps.configuration import Count, EulerSteps, Seed, load, plain
from zipmo_ros.evaluation.motion_report import (
    AUTOENCODER_COLUMNS,
    DELTA_COLUMNS,
    autoencoder_rows,
    delta_rows,
    opening_told,
    prediction_rows,
    report_motion,
    report_points,
    report_views,
    whn_told,
)
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_motion
from zipmo_ros.evaluation.results import steps_told, write_json

PREDICTION_COLUMNS = ["prediction", "k", "MSE px^2", "ADE px", "FDE px"]


@dataclass(frozen=True)
class MotionRequest:
    """Keys of config/hydra/motion.yaml."""

    planner: Literal["zipmo", "arfm", "atm"]
    protocol: Literal["zipmo", "whn", "tracks"] | None
    data: tuple[Path, ...]
    checkpoint: str | None
    windows: Count
    samples: Count
    nfe: EulerSteps | None
    seed: Seed
    opening: Count | None
    max_demos: Count | None
    cache: Path | None
    device: str
    out: Path


def aligned(columns: list[str], rows: list[list[str]]) -> str:
    """A table as text: the first column to the left, the others to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    forms = [f"{{:{'>' if i else '<'}{width}}}" for i, width in enumerate(widths)]
    return "\n".join("  ".join(forms).format(*line) for line in lines)


def table(report: dict) -> str:
    """The report as text."""
    which = "held-out windows" if report["held_out"] else "TRAINING windows (none is held out)"
    which += opening_told(report)
    parts = [
        f"{report['windows']} {which} of {', '.join(report['suites'])}, {report['points']['drawn']} points a view; "
        f"checkpoint {report['hashes']['checkpoint'][:12]}, {steps_told(report['nfe'])}, {report['samples']} samples"
    ]
    for view in report_views(report):
        for points in report_points(report):
            columns = [f"{view}, {points} points", *PREDICTION_COLUMNS[1:]]
            parts.append(aligned(columns, prediction_rows(report, view, points)))
        if "deltas" in report:
            parts.append(aligned([f"{view}, visible points", *DELTA_COLUMNS[1:]], delta_rows(report, view)))
    if "autoencoder" in report:
        parts.append(aligned(["autoencoder", *AUTOENCODER_COLUMNS[1:]], autoencoder_rows(report)))
    parts += [whn_told(report)] if whn_told(report) else []
    return "\n\n".join(parts)


def main(argv: list[str]) -> int:
    """0, or 2 for a wrong request."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        request = load("motion", argv, MotionRequest)
        figures = report_motion(
            request.data, request.checkpoint, planner=request.planner, windows=request.windows, samples=request.samples,
            nfe=request.nfe, seed=request.seed, max_demos=request.max_demos, cache=request.cache, device=request.device,
            protocol=request.protocol, opening=request.opening,
        )  # fmt: skip
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo motion: {error}", file=sys.stderr)
        return 2
    report = {**asked("motion", argv, plain(request)), **figures}
    picture = request.out.with_suffix(".png")
    write_json(request.out, report)
    plot_motion(report, picture)
    print(table(report))
    print(f"\nprotocol {report['protocol']}; written to {request.out} and {picture}")
    return 0
