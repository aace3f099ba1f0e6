"""The last frames of episodes that failed: kept beside a result file (without ROS), and put on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.plotting import plot_captioned
from zipmo_sim.env import ManipulationEnv

MOST = 24  # frames on a sheet


def frames_beside(result: Path) -> Path:
    """Where the frames of a result file lie."""
    return result.with_suffix(".failures")


def keep_last_frame(folder: Path, outcome: Outcome, env: ManipulationEnv) -> None:
    """What both cameras see now, if the episode that has just ended failed."""
    from PIL import Image

    path = _frame(folder, outcome.seed, outcome.number)
    if outcome.success or outcome.error:
        path.unlink(missing_ok=True)  # of an earlier run
    else:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(env.render()).save(path)


def clear_frames(result: Path) -> None:
    """Forget the frames of a result file: an evaluation begins, and they are of another one."""
    for path in frames_beside(result).glob("*.png"):
        path.unlink()


def plot_gallery(result: Path, episodes: Sequence[dict[str, Any]], path: Path) -> bool:
    """A sheet of the failures whose frames were kept, spread over all of them, with task, state and category.

    False, and no sheet, where none was.
    """
    from PIL import Image

    folder = frames_beside(result)
    failed = [e for e in episodes if not e["success"] and _frame(folder, e["seed"], e["number"]).is_file()]
    shown = failed[:: max(1, -(-len(failed) // MOST))]
    if shown:
        frames = [np.asarray(Image.open(_frame(folder, e["seed"], e["number"]))) for e in shown]
        captions = [f"{e['task'][:44]}, state {e['init_state']}: {(e['failure'] or 'failed').replace('_', ' ')}"
                    for e in shown]  # fmt: skip
        plot_captioned(list(zip(captions, frames, strict=True)), path)
    return bool(shown)


def _frame(folder: Path, seed: int, number: int) -> Path:
    return folder / f"{seed}-{number}.png"
