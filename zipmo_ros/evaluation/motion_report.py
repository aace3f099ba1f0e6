"""The report of `zipmo motion`, from a bundle and demonstrations, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from tqdm import tqdm

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.splits import VALIDATION
from zipmo_ros.data.windows import DemonstrationWindows
from zipmo_ros.evaluation.motion_scores import POOLED, Subject, measure, moving_by_variance
from zipmo_ros.evaluation.origin import check_device, origin, shown
from zipmo_ros.evaluation.track_scores import POINTS, Foresight, measure_tracks, of_arfm, of_atm, of_zipmo
from zipmo_ros.models import PLANNER, bundle_path
from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.arfm.predictor import MotionPredictor
from zipmo_ros.motion.atm.track_transformer import TrackTransformer
from zipmo_ros.motion.metrics import DELTA_PIXELS
from zipmo_ros.motion.zipmo.planner import MotionPlanner
from zipmo_ros.motion.zipmo.vae import TrackVAE

# v1: validation states, windows of 16 control steps, uniformly drawn points; Min, Mean: mean over points, steps and
# coordinates of a view's window, then over the samples, then over windows.
PROTOCOL = "zipmo-motion-v1"
# v4 of that of tracks: the same windows, uniformly drawn points, the same ones whoever predicts; deltas of the best
# sample and ADE over all of them, on what is visible of those that move. (v3 drew points by how much they move.)
TRACK_PROTOCOL = "tracks-motion-v4"
# v1 of the paper's Table E, as far as it is told; threshold, stride and seed are this project's: a window every HORIZON
# steps of a demonstration, so that none overlap, and in each view so many points that are seen at its start and whose
# variance over its samples (y and x together) is above the threshold in px^2, or all that there are of those.
WHN_PROTOCOL = "whn-motion-v1"
WHN_POINTS, WHN_VARIANCE = 32, 1.0
WHN_PUBLISHED = (
    "The paper's figures (LIBERO-90 and LIBERO-10; side view / at the hand): ATM 47.8 / 123.0 and 59.1 / 131.6, "
    "Tra-MoE 39.8 / 116.5 and 50.4 / 131.8, WHN 17.9 / 57.6 and 26.2 / 63.5, ZipMo 8.83 / 45.2 and 10.7 / 46.3, the "
    "best of 8 5.96 / 27.8 and 7.43 / 25.8. They can't be compared with these: other demonstrations, a tracker's "
    "points in place of exact ones, a threshold that is not told."
)
NAMES = {
    "planner": "planner", "another": "told another sentence", "reconstruction": "reconstruction",
    "neighbour": "nearest neighbour", "velocity": "constant velocity", "still": "nothing moves",
}  # fmt: skip


class Examined(NamedTuple):
    """Who is measured: by which protocol, in how many Euler steps by what the checkpoint says, and what does it.

    steps: None for a model that has none. points: how many there are of a view, of `stored` ones.
    """

    protocol: str
    steps: int | None
    measure: Callable[..., dict[str, Any]]
    points: Callable[[int], dict[str, int]]


def zipmo(bundle: Path, device: str) -> Examined:
    subject = _subject(bundle, device)
    return Examined(
        PROTOCOL, subject.planner.config.steps, partial(measure, subject),
        lambda stored: {"drawn": stored - stored // 2, "encoded": subject.vae.config.points_in},
    )  # fmt: skip


def zipmo_tracks(bundle: Path, device: str) -> Examined:
    subject = _subject(bundle, device)
    return _foreseeing(of_zipmo(subject), subject.planner.config.steps)


def arfm_tracks(bundle: Path, device: str) -> Examined:
    model = checkpoint.load(bundle / PLANNER, MotionPredictor, device)
    return _foreseeing(of_arfm(model), model.config.steps)


def atm_tracks(bundle: Path, device: str) -> Examined:
    return _foreseeing(of_atm(checkpoint.load(bundle / PLANNER, TrackTransformer, device)), None)


def _subject(bundle: Path, device: str) -> Subject:
    vae = checkpoint.load(bundle / "vae", TrackVAE, device)
    return Subject(vae, checkpoint.load(bundle / PLANNER, MotionPlanner, device))


def _foreseeing(planner: Foresight, steps: int | None) -> Examined:
    return Examined(
        TRACK_PROTOCOL,
        steps,
        partial(measure_tracks, planner),
        lambda stored: {"drawn": min(POINTS, stored - stored // 2)},
    )


# By protocol and planner.
MEASURED = {
    "zipmo": {"zipmo": zipmo},
    "whn": {"zipmo": zipmo},
    "tracks": {"zipmo": zipmo_tracks, "arfm": arfm_tracks, "atm": atm_tracks},
}


def report_motion(
    data: Iterable[Path],
    named: str | None,
    *,
    planner: str = "zipmo",
    windows: int,
    samples: int,
    nfe: int | None,
    seed: int,
    max_demos: int | None = None,
    cache: Path | None = None,
    device: str = "cpu",
    protocol: str | None = None,
    opening: int | None = None,
) -> dict:
    """The report of a bundle (`named`: see bundle_path) on the held-out demonstrations of the folders `data`.

    planner: zipmo, arfm or atm, what the bundle's planner is. windows: at most so many of them. samples: plans a
    window. nfe: Euler steps a plan, None for the planner's own number. protocol: of MEASURED; None: zipmo where the
    planner is that, else tracks. max_demos: of a task. cache: see DemonstrationWindows.load. opening: of
    windows that begin in so many first steps of their demonstration; None: of all.
    Raises ValueError or FileNotFoundError for what can't be measured.
    """
    check_device(device)
    protocol = protocol or ("zipmo" if planner == "zipmo" else "tracks")
    if planner not in MEASURED.get(protocol, {}):
        raise ValueError(f"protocol={protocol} is for planner=zipmo, not {planner}: it scores the autoencoder, too")
    bundle, whn = bundle_path(named, planner=planner), protocol == "whn"
    examined = MEASURED[protocol][planner](bundle, device)
    if nfe is not None and examined.steps is None:
        raise ValueError(f"planner={planner} predicts in one pass, without Euler steps: leave nfe={nfe} out")
    steps = examined.steps if nfe is None else nfe
    found = DemonstrationWindows.load(data, max_demos=max_demos, cache=cache)
    training, validation = found.split()
    chosen = _spread(found, validation, windows, apart=HORIZON if whn else 1, opening=opening)
    count = partial(moving_by_variance, points=WHN_POINTS, threshold=WHN_VARIANCE)
    options = {"count": count} if whn else {}
    with tqdm(total=len(chosen), unit="window", desc="motion") as bar:
        figures = examined.measure(found, chosen, training,
                                   draws=samples, steps=steps, seed=seed, progress=bar.update, **options)  # fmt: skip
    if whn:
        figures["predictions"] = [row for row in figures["predictions"] if row["points"] == "moving"]
    return {
        "protocol": WHN_PROTOCOL if whn else examined.protocol,
        **({"moving": {"points": WHN_POINTS, "variance_px2": WHN_VARIANCE, "stride": HORIZON}} if whn else {}),
        "checkpoint": shown(bundle),
        "hashes": {"checkpoint": checkpoint.content_hash(bundle), "data": found.data_hash},
        "suites": sorted(found.provenance),
        "validation_states": list(VALIDATION),
        "held_out": set(found.init_state[chosen].tolist()) <= set(VALIDATION),
        "windows": len(chosen),
        "opening": opening,
        "points": examined.points(found.tracks.shape[2]),
        "samples": samples,
        "nfe": steps,
        **origin(),
        **figures,
    }


def _spread(found: DemonstrationWindows, held_out: Tensor, most: int, *, apart: int, opening: int | None) -> Tensor:
    """At most so many of the windows `held_out`, of those that begin at a multiple of `apart` steps, before `opening`.

    Raises ValueError where there is none.
    """
    begins = found.step[held_out]
    held_out = held_out[(begins % apart == 0) & (begins < (begins.max() + 1 if opening is None else opening))]
    if not len(held_out):
        early = "" if opening is None else f" in the first {opening} steps"
        raise ValueError(f"no window of these demonstrations starts at a multiple of {apart} steps{early}")
    return held_out[:: max(1, -(-len(held_out) // most))]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def report_views(report: dict) -> list[str]:
    """The views that a report has figures of, and that of all of them together."""
    return sorted(dict.fromkeys(row["view"] for row in report["predictions"]), key=lambda view: view == POOLED)


def report_points(report: dict) -> list[str]:
    """The sets of points that a report has figures of: all, moving, or both."""
    return list(dict.fromkeys(row["points"] for row in report["predictions"]))


def opening_told(report: dict) -> str:
    """From which steps of demonstrations the windows are, where not from all (older reports do not say)."""
    return f" from the first {report['opening']} steps of demonstrations" if report.get("opening") else ""


def whn_told(report: dict) -> str:
    """What the protocol of the paper's Table E is here, and its figures; empty for reports of another."""
    if report["protocol"] != WHN_PROTOCOL:
        return ""
    chosen = report["moving"]
    return (
        f"Moving: at most {chosen['points']} points a view whose variance over the window is above "
        f"{chosen['variance_px2']:g} px^2; a window every {chosen['stride']} steps. {WHN_PUBLISHED}"
    )


def prediction_rows(report: dict, view: str, points: str) -> list[list[str]]:
    """A row a predictor, and one of its best of k where it has several: name, k, MSE, ADE, FDE."""
    rows = []
    for row in report["predictions"]:
        if (row["view"], row["points"]) == (view, points):
            name, k = NAMES[row["predictor"]], row["k"]
            for kind, label in (("mean", name),) if k == 1 else (("mean", f"{name}, mean"), ("min", f"{name}, best")):
                rows.append([label, str(k), *(_number(row[f"{kind}_{metric}"]) for metric in ("mse", "ade", "fde"))])
    return rows


def delta_rows(report: dict, view: str) -> list[list[str]]:
    """A row a predictor, by ARFM's measure: name, k, deltas and their mean in %, ADE."""
    names = [*(f"delta{pixels}" for pixels in DELTA_PIXELS), "delta"]
    return [
        [NAMES[row["predictor"]], str(row["k"]), *(f"{100 * row[name]:.1f}" for name in names), _number(row["ade"])]
        for row in report["deltas"]
        if row["view"] == view
    ]


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
DELTA_COLUMNS = ["prediction", "k", *(f"<{pixels} px, %" for pixels in DELTA_PIXELS), "mean, %", "ADE px of 256"]
