"""`zipmo latency`: what it costs that plans come late, by how they are executed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

from zipmo_ros.apps.configuration import Count, Milliseconds, Range, Share, load, plain
from zipmo_ros.apps.sweeping import SweepRequest
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.agents import EXECUTIONS
from zipmo_ros.evaluation.evaluate import choose_episodes, identity
from zipmo_ros.evaluation.latency import VARIED, cells, report
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_latency
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.evaluation.results import write_json
from zipmo_sim.suites.libero.assets import LiberoNotInstalledError


@dataclass(frozen=True)
class LatencyRequest(SweepRequest):
    """Keys of config/hydra/latency.yaml."""

    latency_ms: Annotated[tuple[Milliseconds, ...], Range(1)]
    latency_jitter: Annotated[tuple[Share, ...], Range(1)]
    execution: Annotated[tuple[Literal[tuple(EXECUTIONS)], ...], Range(1)]  # type: ignore[valid-type]
    synchronous_steps: Count


def table(report: dict) -> str:
    """The report as text."""
    columns = ("every", "success %", "95 % interval", "done in s", "jerk", "jump", "plan age ms", "held %")
    lines = [f"{'execution':<12} {'ms':>5} {'jitter':>6}" + "".join(f"{name:>14}" for name in columns)]
    for cell in report["cells"]:
        low, high = cell["wilson95"]
        seconds = None if cell["median_steps"] is None else cell["median_steps"] * report["period_s"]
        figures = (
            str(cell["replan_every"]), _shown(cell["success_rate"], 100), f"{100 * low:.0f}-{100 * high:.0f}",
            _shown(seconds, digits=1), _shown(cell["jerk"]), _shown(cell["jump"], digits=2),
            _shown(cell["plan_age_ms"]), _shown(cell["held_share"], 100),
        )  # fmt: skip
        where = f"{cell['execution']:<12} {cell['latency_ms']:>5g} {cell['latency_jitter']:>6g}"
        lines.append(where + "".join(f"{text:>14}" for text in figures))
    return "\n".join(lines)


def _shown(value: float | None, scale: float = 1, digits: int = 0) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"


def main(argv: list[str]) -> int:
    """0; 1 when episodes crashed; 2 for a wrong request."""
    try:
        request = load("latency", argv, LatencyRequest)
        base = request.settings("direct", max_steps=request.max_steps)
        drawn = choose_episodes(base, request.tasks, request.episodes, request.states, "own")
        facts = identity(base)
        conditions = cells(request.execution, request.latency_ms, request.latency_jitter, request.replan_every,
                           request.synchronous_steps)  # fmt: skip
    except (ValueError, FileNotFoundError, LiberoNotInstalledError) as error:
        print(f"zipmo latency: {error}", file=sys.stderr)
        return 2
    try:
        outcomes = request.swept(base, dict.fromkeys(conditions, drawn), facts["hashes"])
    except (ValueError, BlockingIOError, WorkerError) as error:
        print(f"zipmo latency: {error}", file=sys.stderr)
        return 2
    found = [report(cell, ended) for cell, ended in outcomes.items()]
    content = {
        **asked("latency", argv, plain(request)), **{name: facts[name] for name in facts if name not in VARIED},
        "suite": base.suite, "states": request.states, "seed": base.seed, "max_steps": base.max_steps,
        "period_s": load_robot().period_s, "cells": found,
    }  # fmt: skip
    write_json(request.out, content)
    picture = request.out.with_suffix(".png")
    plot_latency(content, picture)
    print(table(content))
    print(f"written to {request.out} and {picture}; cells stay in {request.folder}")
    return int(any(cell["crashes"] for cell in found))
