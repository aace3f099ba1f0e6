"""`zipmo motion`: planner and autoencoder alone, on held-out demonstrations."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from zipmo_ros.apps.configuration import load
from zipmo_ros.contract.share import bundle_path
from zipmo_ros.evaluation.origin import origin, request, shown
from zipmo_ros.evaluation.results import write_json

# v1: validation states, windows of 16 control steps, uniformly drawn points; Min, Mean: mean over points, steps and
# coordinates of a view's window, then over the samples, then over windows.
PROTOCOL = "zipmo-motion-v1"
NAMES = {
    "planner": "planner", "reconstruction": "reconstruction", "neighbour": "nearest neighbour",
    "velocity": "constant velocity", "still": "nothing moves",
}  # fmt: skip


def motion(config: Any) -> dict:
    """The report. Raises ValueError or FileNotFoundError for a wrong request."""
    from omegaconf import OmegaConf
    from tqdm import tqdm

    from zipmo_ros.contract.splits import VALIDATION
    from zipmo_ros.data.windows import DemonstrationWindows
    from zipmo_ros.evaluation.motion_scores import Subject, measure
    from zipmo_ros.motion import checkpoint
    from zipmo_ros.motion.zipmo.generator import MotionGenerator

    for key in ("windows", "samples", "nfe"):
        if config[key] < 1:
            raise ValueError(f"{key} must be at least 1, got {config[key]}")
    bundle = bundle_path(config.checkpoint)
    generator = MotionGenerator.load(bundle, config.device)
    points = checkpoint.read_description(bundle / "vae")["meta"].get("points_in", 40)
    data = OmegaConf.to_object(config.data) if OmegaConf.is_list(config.data) else config.data
    windows = DemonstrationWindows.load(data, max_demos=config.max_demos, cache=config.cache)
    training, validation = windows.split()
    chosen = validation[:: max(1, -(-len(validation) // config.windows))]
    with tqdm(total=len(chosen), unit="window", desc="motion") as bar:
        figures = measure(Subject(generator.vae, generator.planner, points), windows, chosen, training,
                          draws=config.samples, steps=config.nfe, seed=config.seed, progress=bar.update)  # fmt: skip
    return {
        "protocol": PROTOCOL,
        "checkpoint": shown(bundle),
        "hashes": {"checkpoint": checkpoint.content_hash(bundle), "data": windows.data_hash},
        "suites": sorted(windows.provenance),
        "validation_states": list(VALIDATION),
        "held_out": set(windows.init_state[chosen].tolist()) <= set(VALIDATION),
        "windows": len(chosen),
        "points": {"drawn": windows.tracks.shape[2] - windows.tracks.shape[2] // 2, "encoded": points},
        "samples": config.samples,
        "nfe": config.nfe,
        **origin(),
        **figures,
    }


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def prediction_rows(report: dict, view: str, points: str) -> list[list[str]]:
    """A row a predictor, and one of its best of k where it has several: name, k, MSE, ADE, FDE."""
    rows = []
    for row in report["predictions"]:
        if (row["view"], row["points"]) == (view, points):
            name, k = NAMES[row["predictor"]], row["k"]
            for kind, label in (("mean", name),) if k == 1 else (("mean", f"{name}, mean"), ("min", f"{name}, best")):
                rows.append([label, str(k), *(number(row[f"{kind}_{metric}"]) for metric in ("mse", "ade", "fde"))])
    return rows


def autoencoder_rows(report: dict) -> list[list[str]]:
    """A row a view and set of points: of the encoded points and of others, error and share within 1, 2 and 4 px."""
    rows = []
    for view in ("agentview", "eye_in_hand", "both"):
        for points, suffix in (("all", ""), ("moving", "_moving")):
            cells = [view, points]
            for kind in ("encoded", "held_out"):
                figures = report["autoencoder"][kind][view]
                names = [f"epe{suffix}", *(f"pck{pixels}{suffix}" for pixels in (1, 2, 4))]
                error, *shares = (figures.get(name) for name in names)
                cells += [number(error), " / ".join("-" if s is None else f"{100 * s:.0f}" for s in shares)]
            rows.append([*cells, number(report["autoencoder"]["held_out"][view].get(f"still_epe{suffix}"))])
    return rows


PREDICTION_COLUMNS = ["prediction", "k", "MSE px^2", "ADE px", "FDE px"]
AUTOENCODER_COLUMNS = ["view", "points", "encoded px", "within 1/2/4 px, %", "held out px", "within 1/2/4 px, %",
                       "nothing moves px"]  # fmt: skip


def aligned(columns: list[str], rows: list[list[str]]) -> str:
    """A table as text: the first column to the left, the others to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    forms = [f"{{:{'>' if i else '<'}{width}}}" for i, width in enumerate(widths)]
    return "\n".join("  ".join(forms).format(*line) for line in lines)


def table(report: dict) -> str:
    """The report as text."""
    which = "held-out windows" if report["held_out"] else "TRAINING windows (none is held out)"
    parts = [
        f"{report['windows']} {which} of {', '.join(report['suites'])}, {report['points']['drawn']} points a view; "
        f"checkpoint {report['hashes']['checkpoint'][:12]}, {report['nfe']} Euler steps, {report['samples']} samples"
    ]
    for view in ("agentview", "eye_in_hand", "both"):
        for points in ("all", "moving"):
            columns = [f"{view}, {points} points", *PREDICTION_COLUMNS[1:]]
            parts.append(aligned(columns, prediction_rows(report, view, points)))
    parts.append(aligned(["autoencoder", *AUTOENCODER_COLUMNS[1:]], autoencoder_rows(report)))
    return "\n\n".join(parts)


def main(argv: list[str]) -> int:
    """0, or 2 for a wrong request."""
    from zipmo_ros.evaluation.plotting import plot_motion

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        config = load("motion", argv)
        report = {**request("motion", argv, config), **motion(config)}
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo motion: {error}", file=sys.stderr)
        return 2
    out = Path(config.out)
    write_json(out, report)
    plot_motion(report, out.with_suffix(".png"))
    print(table(report))
    print(f"\nprotocol {PROTOCOL}; written to {out} and {out.with_suffix('.png')}")
    return 0
