"""The section of docs/results.md on success against late plans."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zipmo_ros.evaluation.agents import EXECUTIONS
from zipmo_ros.evaluation.plotting import plot_latency
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import (
    Result,
    count,
    embedded,
    finished,
    interval,
    markdown,
    share,
    sources,
    states_told,
    suite_title,
    timing,
)

# SmolVLA on the 40 tasks of LIBERO, success in percent by delay in control steps: arXiv 2605.08168, read off a plot.
NEIGHBOUR_DELAYS = (0, 4, 8, 15, 20)
NEIGHBOURS = {
    "naive asynchronous": (61, 51, 34, 21, 12),
    "real-time chunking": (73, 61, 31, 24, 20),
    "real-time chunking in training (delay 4)": (60, 51, 44, 36, 33),
    "VLASH (delay 8, true future states)": (57, 58, 58, 55, 54),
    "A2C2 (a residual head at every step)": (68, 66, 66, 62, 58),
}

Tell = Callable[[dict[str, Any]], str]


def latencies(results: Sequence[Result], evaluations: Sequence[Result], folder: Path) -> Iterator[Section]:
    """Success, time and smoothness by latency and by how late plans are executed.

    evaluations: those in real time stand beside the virtual ones of their checkpoint.
    """
    for result in results:
        checks = [check for check in evaluations if check.content.get("mode") == "realtime"
                  and check.content["hashes"]["checkpoint"] == result.content["hashes"]["checkpoint"]]  # fmt: skip
        cells = result.content["cells"]
        title = f"Success against late plans: {suite_title(result)}"
        picture = folder / f"latency-{result.name}.png"
        plot_latency(result.content, picture)
        ways = dict.fromkeys(cell["execution"] for cell in cells)
        told = "; ".join(f"`{name}`: {EXECUTIONS[name].what}" for name in ways if name in EXECUTIONS)
        parts = [
            f"A plan can be used so much later than the observation that it was made from, in simulated time, without "
            f"ROS. While one is under way no other is begun, and then one of the newest observation. The same "
            f"{len(cells[0]['episodes'])} episodes in each cell; {states_told(result)}. Jittered: each plan's latency "
            f"is drawn uniformly from so much around it.",
            f"How they are executed: {told}.",
            "Success, and its 95 % interval:",
            _by_latency(cells, lambda cell: f"{share(cell['episodes'])} ({interval(cell['episodes'])})"),
            "Median time of the episodes that succeeded, jerk of the commanded hand in them, and the share of all "
            "steps at which the arm held for want of a plan:",
            _by_latency(cells, partial(_manner, period_s=result.content["period_s"])),
            "How far a new chunk is from the one before at the step at which it takes over (largest entry of the "
            "offset, in units of action, mean over chunks):",
            _by_latency(cells, lambda cell: _number(cell["jump"], 2)),
            *_checked(cells, checks),
            embedded(picture, title),
            "Others measure other things; nearest is SmolVLA on the 40 tasks of LIBERO under constant delays, in "
            "control steps (arXiv 2605.08168, read off a plot, give or take 2 points). Another benchmark, another "
            "model and no planner in the loop, so what compares is the shape, not the level:",
            markdown(["SmolVLA on LIBERO", *(f"{d} steps" for d in NEIGHBOUR_DELAYS)],
                     [[name, *(f"{rate} %" for rate in rates)] for name, rates in NEIGHBOURS.items()]),
            sources(result, *checks),
        ]  # fmt: skip
        yield Section(title, "\n\n".join(parts), (result, *checks))


def _checked(cells: list[dict[str, Any]], checks: list[Result]) -> list[str]:
    """What real time gave, over ROS, beside what simulated time gave."""
    if not checks:
        return []
    rows = []
    for check in checks:
        _, execution, latency, jitter = timing(check)
        virtual = [
            cell
            for cell in cells
            if (cell["execution"], cell["latency_ms"], cell["latency_jitter"]) == (execution, latency, jitter)
        ]
        ages = [e["plan_age_ms"] for e in finished(check.content["episodes"]) if e["plan_age_ms"] is not None]
        told = [_told(check.content["episodes"], statistics.median(ages) if ages else None)]
        told += [_told(cell["episodes"], cell["plan_age_ms"]) for cell in virtual] or ["-"]
        rows.append([f"{execution}, {latency:g} ms{f', +-{100 * jitter:.0f} %' if jitter else ''}", *told])
    return ["The same in real time, over ROS, with a planner that takes at least so long (in brackets: median age of "
            "the plan at use):", markdown(["execution", "real time", "simulated time"], rows)]  # fmt: skip


def _told(episodes: list[dict[str, Any]], age_ms: float | None) -> str:
    return f"{count(episodes)}, {interval(episodes)} % ({_number(age_ms)} ms)"


def _by_latency(cells: list[dict[str, Any]], tell: Tell) -> str:
    """A row a way to execute, a column a latency."""
    columns = sorted({cell["latency_ms"] for cell in cells})
    found = {(_way(cell), cell["latency_ms"]): cell for cell in cells}
    ways = dict.fromkeys(way for way, _ in found)
    rows = [[way, *(tell(found[way, ms]) if (way, ms) in found else "" for ms in columns)] for way in ways]
    return markdown(["execution", *(f"{ms:g} ms" for ms in columns)], rows)


def _way(cell: dict[str, Any]) -> str:
    jitter = cell["latency_jitter"]
    return f"{cell['execution']}, +-{100 * jitter:.0f} %" if jitter else cell["execution"]


def _manner(cell: dict[str, Any], period_s: float) -> str:
    seconds = None if cell["median_steps"] is None else cell["median_steps"] * period_s
    return f"{_number(seconds, 1)} s / {_number(cell['jerk'])} m/s^3 / {_number(cell['held_share'], 0, 100)} %"


def _number(value: float | None, digits: int = 0, scale: float = 1) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"
