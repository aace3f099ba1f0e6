"""The section of docs/results.md on what the planner makes of wordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zipmo_ros.evaluation.plotting import plot_refusals
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import Result, embedded, markdown, sources, states_told
from zipmo_ros.evaluation.sentence_table import COLUMNS, cells

ABOUT = (
    "Nothing moves: wordings are made by the rules of config/wordings for a first frame, and the planner points. Right "
    "is what it takes for the thing and for its goal, both within 6 px of 128 in the first view. Templates and words "
    "of a family are in no other one's sentences, shared ones apart."
)


def wordings(results: Sequence[Result], folder: Path) -> Iterator[Section]:
    """Where the planner points and what it refuses, by kind of wording."""
    for result in results:
        title = f"Wordings: {result['suite']}, {result['family']} family"
        parts = [ABOUT, f"{states_told(result)}.".capitalize(), markdown(COLUMNS, cells(result.content))]
        if result["curve"]:
            picture = folder / f"wordings-{result.name}.png"
            plot_refusals(result.content, picture)
            parts.append(embedded(picture, title))
        else:
            parts.append("This planner can't tell whether it understood: it refuses nothing.")
        yield Section(title, "\n\n".join([*parts, sources(result)]), (result,))
