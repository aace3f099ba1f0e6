"""Where each millisecond of a control period goes, from the stopwatches of the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Lap = tuple[str, int, int, int]  # stage, control step, began and ended in ns of one clock

# In order of time, from one observation to the next; models and simulator are what the loop is there for.
LOOP = ("observation to planner", "plan to policy", "chunk to safety", "safety", "command to simulator")
ORDER = ("observation to planner", "planner", "plan to policy", "policy", "chunk to safety", "safety",
         "command to simulator", "simulator", "rendering")  # fmt: skip


def episodes(laps: Iterable[Lap]) -> list[list[Lap]]:
    """The laps from each reset of the environment to the next."""
    ordered = sorted(laps, key=lambda lap: lap[2])
    found: list[list[Lap]] = []
    for lap in ordered:
        if lap[0] == "reset":
            found.append([])
        if found:
            found[-1].append(lap)
    return found


def periods(episode: Iterable[Lap]) -> dict[int, dict[str, float]]:
    """Control step -> part -> ms, from the observation of that step to the next one; they add up to the period.

    Steps that lack a lap are left out.
    """
    times = {(stage, step): (began, ended) for stage, step, began, ended in episode}
    found = {}
    for step in sorted({step for _, step in times}):
        shown = times.get(("step", step)) or times.get(("reset", step))
        stepped, render = times.get(("step", step + 1)), times.get(("render", step + 1), (0, 0))
        stages = [lap for stage in ("plan", "act", "safety") if (lap := times.get((stage, step))) is not None]
        if shown is None or stepped is None or len(stages) < 3:
            continue
        edges = [shown[1], *(edge for lap in stages for edge in lap), *stepped]
        parts = dict(zip(ORDER[:8], np.diff(edges) / 1e6, strict=True))
        parts["rendering"] = (render[1] - render[0]) / 1e6
        parts["simulator"] -= parts["rendering"]
        found[step] = {name: float(parts[name]) for name in ORDER}
    return found


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and the 95th percentile."""
    levels = {"p25_ms": 25, "p50_ms": 50, "p75_ms": 75, "p95_ms": 95}
    return {name: round(float(np.percentile(values, level)), 4) for name, level in levels.items()}


def loop_report(laps: Iterable[Lap], warm_up: int) -> dict[str, Any]:
    """The report of `zipmo bench loop`, without the first `warm_up` steps of an episode.

    Raises ValueError where no period is whole.
    """
    whole = [parts for lot in episodes(laps) for step, parts in periods(lot).items() if step >= warm_up]
    if not whole:
        raise ValueError("no control period was timed as a whole: did each episode end before its warm-up?")
    overhead = [sum(parts[name] for name in LOOP) for parts in whole]
    return {
        "periods": len(whole),
        "parts": {name: percentiles([parts[name] for parts in whole]) for name in ORDER},
        "overhead": percentiles(overhead),
        "period": percentiles([sum(parts.values()) for parts in whole]),
        "each": [{name: round(value, 4) for name, value in parts.items()} for parts in whole],
    }
