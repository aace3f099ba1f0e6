"""The section of docs/results.md that has LIBERO's suites side by side, and LIBERO-PRO's beside their bases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from zipmo_ros.evaluation.origin import visuals
from zipmo_ros.evaluation.plotting import plot_tasks
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import (
    Result,
    embedded,
    finished,
    grouped,
    interval,
    markdown,
    protocol_of,
    seeds_told,
    share,
    sources,
)
from zipmo_sim.suites import PRO, SUITES, suite_entry

PLAIN, WORDLESS, REPLAY = "plain", "no words", "replay"
COLUMNS = {PLAIN: "", **PRO, WORDLESS: "told nothing", REPLAY: "one demonstration's actions, blindly"}
ABOUT = (
    "A row a suite: success, its 95 % interval and how many episodes; beside it what LIBERO-PRO makes of it. "
    "`no words`: told nothing at all, which shows whether the suite needs its sentences; `replay`: the actions of one "
    "demonstration, played blindly."
)


def libero(results: list[Result], folder: Path) -> Iterator[Section]:
    """A table, and in `folder` a picture of bars by task, of each protocol (with what was otherwise), checkpoint and
    assets, wherever two figures are of such.
    """
    chosen = [result for result in results if suite_entry(result.content["suite"]).libero and _column(result)]
    for group in grouped(chosen, lambda r: (_told(r), r.content["hashes"]["assets"])):
        acting = [result for result in group if result.actor != "replay"]
        replayed = [result for result in group if result.actor == "replay"]
        for alike in grouped(acting, _acting):
            cells = {_place(result): result for result in sorted([*replayed, *alike], key=_length)}
            if len({result.content["suite"] for result in cells.values()}) > 1:
                yield _section(cells, folder)


def _length(result: Result) -> int:
    return len(result.content["episodes"])


def _column(result: Result) -> str | None:
    """Which of COLUMNS an evaluation is of; None: of none."""
    if result.actor == "replay":
        return REPLAY if suite_entry(result.content["suite"]).base is None else None
    if result.content["oracle"] != "none" or result.content.get("perturb"):
        return None
    base = suite_entry(result.content["suite"]).base
    if result.content["instruction"] == "none":
        return WORDLESS if base is None else None
    if result.content["instruction"] != "own":
        return None
    return result.content["suite"].removeprefix(f"{base}_") if base else PLAIN


def _place(result: Result) -> tuple[str, str]:
    """(base suite, column)."""
    column = _column(result)
    assert column is not None
    return suite_entry(result.content["suite"]).base or result.content["suite"], column


def _told(result: Result) -> str:
    """Protocol and what differs from it, without the suite."""
    return result.content["protocol"].replace(f"-{result['suite']}-", "-", 1)


def _acting(result: Result) -> tuple:
    """Who acts, and what a protocol may leave open of it; a replay has none of that."""
    keys = ("nfe", "replan_every", "ensemble")
    return (result.actor, result.content["hashes"]["checkpoint"], *(result[key] for key in keys))


def _section(cells: Mapping[tuple[str, str], Result], folder: Path) -> Section:
    columns = [name for name in COLUMNS if any(column == name for _, column in cells)]
    rows = [suite for suite in SUITES if any(base == suite for base, _ in cells)]
    first = next(result for result in cells.values() if result.actor != "replay")
    protocol = protocol_of(first)
    told = _told(first)
    published = [protocol.published.get(row) for row in rows]
    lines = [
        [f"`{row}`", *(_cell(cells.get((row, column))) for column in columns),
         *([f"{there:.1f} %" if there else "-"] if any(published) else [])]
        for row, there in zip(rows, published, strict=True)
    ]  # fmt: skip
    table = markdown(["suite", *columns, *(["published"] if any(published) else [])], lines)
    looks = visuals(first.content["suite"], first.content["hashes"]["assets"])
    about = [ABOUT, f"Protocol `{told}`: {protocol.about}.", *([f"With {looks}."] if looks else [])]
    about += [f"Not as there: {'; '.join(protocol.otherwise)}."] if protocol.otherwise else []
    used = tuple(cells.values())
    digest = first.content["hashes"]["checkpoint"][:12]
    picture = folder / f"tasks-{first.name}.png"
    plot_tasks({row: {column: cells[row, column].content["episodes"] for column in columns if (row, column) in cells}
                for row in rows}, picture)  # fmt: skip
    shown = embedded(picture, "success by task, with 95 % intervals")
    return Section(f"LIBERO and LIBERO-PRO by {told}, checkpoint `{digest}`",
                   f"{' '.join(about)}\n\n{table}\n\n{shown}\n\n{sources(*used)}", used)  # fmt: skip


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    episodes = result.content["episodes"]
    seeds = f"; {seeds_told(result)}" if result.content.get("by_seed") else ""
    return f"{share(episodes)} ({interval(episodes)}, of {len(finished(episodes))}{seeds})"
