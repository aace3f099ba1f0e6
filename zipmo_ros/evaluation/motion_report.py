"""The report of `zipmo motion`, from a bundle and demonstrations, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from zipmo_ros.contract.splits import VALIDATION
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.evaluation.motion_scores import Subject, measure
from zipmo_ros.evaluation.origin import check_device, origin, shown
from zipmo_ros.models import bundle_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

# v1: validation states, windows of 16 control steps, uniformly drawn points; Min, Mean: mean over points, steps and
# coordinates of a view's window, then over the samples, then over windows.
PROTOCOL = "zipmo-motion-v1"
NAMES = {
    "planner": "planner", "reconstruction": "reconstruction", "neighbour": "nearest neighbour",
    "velocity": "constant velocity", "still": "nothing moves",
}  # fmt: skip


def report_motion(
    data: Iterable[Path],
    named: str | None,
    *,
    windows: int,
    samples: int,
    nfe: int | None,
    seed: int,
    max_demos: int | None = None,
    cache: Path | None = None,
    device: str = "cpu",
) -> dict:
    """The report of a bundle (`named`: see bundle_path) on the held-out demonstrations of the folders `data`.

    windows: at most so many of them. samples: plans a window. nfe: Euler steps a plan, None for the planner's own
    number. max_demos: of a task. cache: see DemonstrationWindows.load.
    Raises ValueError or FileNotFoundError for what can't be measured.
    """
    check_device(device)
    bundle = bundle_path(named)
    vae = checkpoint.load(bundle / "vae", TrackVAE, device)
    planner = checkpoint.load(bundle / "planner", MotionPlanner, device)
    steps = planner.config.steps if nfe is None else nfe
    found = DemonstrationWindows.load(data, max_demos=max_demos, cache=cache)
    training, validation = found.split()
    chosen = validation[:: max(1, -(-len(validation) // windows))]
    with tqdm(total=len(chosen), unit="window", desc="motion") as bar:
        figures = measure(Subject(vae, planner), found, chosen, training,
                          draws=samples, steps=steps, seed=seed, progress=bar.update)  # fmt: skip
    return {
        "protocol": PROTOCOL,
        "checkpoint": shown(bundle),
        "hashes": {"checkpoint": checkpoint.content_hash(bundle), "data": found.data_hash},
        "suites": sorted(found.provenance),
        "validation_states": list(VALIDATION),
        "held_out": set(found.init_state[chosen].tolist()) <= set(VALIDATION),
        "windows": len(chosen),
        "points": {"drawn": found.tracks.shape[2] - found.tracks.shape[2] // 2, "encoded": vae.config.points_in},
        "samples": samples,
        "nfe": steps,
        **origin(),
        **figures,
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def report_views(report: dict) -> list[str]:
    """The views that a report has figures of, and that of all of them together."""
    return list(report["autoencoder"]["encoded"])


def prediction_rows(report: dict, view: str, points: str) -> list[list[str]]:
    """A row a predictor, and one of its best of k where it has several: name, k, MSE, ADE, FDE."""
    rows = []
    for row in report["predictions"]:
        if (row["view"], row["points"]) == (view, points):
            name, k = NAMES[row["predictor"]], row["k"]
            for kind, label in (("mean", name),) if k == 1 else (("mean", f"{name}, mean"), ("min", f"{name}, best")):
                rows.append([label, str(k), *(_number(row[f"{kind}_{metric}"]) for metric in ("mse", "ade", "fde"))])
    return rows


def autoencoder_rows(report: dict) -> list[list[str]]:
    """A row a view and set of points: of the encoded points and of others, error and share within 1, 2 and 4 px."""
    rows = []
    for view in report_views(report):
        for points, suffix in (("all", ""), ("moving", "_moving")):
            cells = [view, points]
            for kind in ("encoded", "held_out"):
                figures = report["autoencoder"][kind][view]
                names = [f"epe{suffix}", *(f"pck{pixels}{suffix}" for pixels in (1, 2, 4))]
                error, *shares = (figures.get(name) for name in names)
                cells += [_number(error), " / ".join("-" if s is None else f"{100 * s:.0f}" for s in shares)]
            rows.append([*cells, _number(report["autoencoder"]["held_out"][view].get(f"still_epe{suffix}"))])
    return rows


AUTOENCODER_COLUMNS = ["view", "points", "encoded px", "within 1/2/4 px, %", "held out px", "within 1/2/4 px, %",
                       "nothing moves px"]  # fmt: skip
