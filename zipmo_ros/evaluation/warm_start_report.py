"""The section of docs/results.md on plans that begin as the last one went on (`warm_start`)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import (
    Result,
    conditions,
    count,
    episodes_of,
    finished,
    grouped,
    interval,
    markdown,
    sources,
    states_told,
    steps_told,
    suite_title,
)

ABOUT = (
    "With `warm_start=t` the last plan is taken on, noise is added up to flow time t (1: noise alone), and it is "
    "denoised from there in so many Euler steps; without, every plan begins from noise. The same {episodes} episodes "
    "for each, without ROS, a new plan every {often} steps; {states}. Jerk: of the commanded hand, root of the mean "
    "square, m/s^3, mean over episodes. From plan to plan: how far a new chunk of actions is from the one before at "
    "the step at which it takes over (largest entry of the offset, in units of action), mean over chunks, then over "
    "episodes."
)


def warm_starts(evaluations: Sequence[Result]) -> Iterator[Section]:
    """Success and smoothness by Euler steps and by where a plan begins, wherever some went on from the last one."""
    told = [r for r in evaluations if (r.actor, r["instruction"], r["via"]) == ("none", "own", "direct")]
    for group in grouped(told, _alike):
        different = {(r["nfe"] or 0, _warm(r) or 2.0): r for r in group}  # of runs that are alike, the last
        runs = [different[key] for key in sorted(different)]
        if len({_warm(r) for r in runs}) < 2:
            continue
        rows = [
            [
                steps_told(r["nfe"]), "noise" if _warm(r) is None else f"{_warm(r):g}", count(r["episodes"]),
                interval(r["episodes"]), _mean(r["episodes"], "jerk", 1), _mean(r["episodes"], "jump", 3),
            ]
            for r in runs
        ]  # fmt: skip
        columns = ["a plan", "from", "done", "95 % interval", "jerk, m/s^3", "from plan to plan"]
        first = runs[0]
        told_of = {"episodes": len(first["episodes"]), "often": first["replan_every"], "states": states_told(first)}
        body = "\n\n".join([ABOUT.format(**told_of), markdown(columns, rows), sources(*runs)])
        yield Section(f"Going on from the last plan: {suite_title(first)}", body, tuple(runs))


def _warm(result: Result) -> float | None:
    return conditions(result)["warm_start"]


def _alike(result: Result) -> tuple:
    """What all but Euler steps and warm start have to share."""
    under = {name: value for name, value in conditions(result).items() if name != "warm_start"}
    keys = (result[key] for key in ("suite", "seed", "replan_every", "ensemble"))
    return (*keys, *under.values(), *result["hashes"].values(), episodes_of(result))


def _mean(episodes: Sequence[dict[str, Any]], name: str, digits: int) -> str:
    known = [e[name] for e in finished(list(episodes)) if e.get(name) is not None]
    return f"{statistics.fmean(known):.{digits}f}" if known else "-"
