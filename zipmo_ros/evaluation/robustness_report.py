"""The section of docs/results.md on what is otherwise than in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zipmo_ros.evaluation.plotting import plot_robustness
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import Result, embedded, sources, states_told, suite_title
from zipmo_ros.evaluation.robustness import table

ABOUT = (
    "Everything as usual but for one thing, by the dimensions of LIBERO-Plus (arXiv 2510.13626; its perturbations are "
    "others). What exactly it is (which side, which axis, which texture) is drawn for each episode; textures, colours "
    "of the table, directions of light and distractors come from families that neither training nor the choice of "
    "settings knows. A cell is success, its 95 % interval, and success relative to the same episodes unchanged."
)


def robustness(results: Sequence[Result], folder: Path) -> Iterator[Section]:
    """Success by perturbation and strength."""
    for result in results:
        rows = result.content["rows"]
        strengths = sorted({row["strength"] for row in rows if row["strength"]})
        told = ", ".join(f"{strength:g}" for strength in strengths)
        title = f"Where something is otherwise: {suite_title(result)} at strength {told}"
        picture = folder / f"robustness-{result.name}.png"
        plot_robustness(result.content, picture)
        ran = f"{len(rows[0]['episodes'])} episodes a row, fewer where a task has not what is changed; "
        acts = "" if result.actor == "none" else f" Who acts: {result.actor}."
        parts = [ABOUT, f"{ran}{states_told(result)}.{acts}", table(result.content), embedded(picture, title)]
        sheet = folder / f"{result.name}-frames.png"  # of the command, beside its figures
        if sheet.is_file():
            parts.append(embedded(sheet, "each at its strongest, in each scene's first task"))
        yield Section(title, "\n\n".join([*parts, sources(result)]), (result,))
