"""What a plan costs, of any planners of the contract: the first of an episode, the next one, and several futures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Planner
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.evaluation.bench import Times, timed


def plan_times(
    planners: Mapping[str, Planner],
    robot: RobotSpec,
    goal: Goal,
    *,
    samples: Sequence[int] = (1, 8, 64),
    repeats: int = 5,
    device: str = "cpu",
    seed: int = 0,
) -> list[dict[str, Any]]:
    """A row for each planner and number of futures: medians over `repeats` episodes, after one that is not counted, in
    which all take turns, so that ratios hold on a busy machine.

    plan: the first plan of an episode. update: the one a step later, for which a planner that keeps state need not
    begin anew. Milliseconds by the clock, and cpu_ms of this process. ratio: an update's time over that of the first
    planner's with the first number of futures in the same repeat, of CPU time (of the clock, where device is another).
    The scene is noise, and stands still: points are found again.
    """
    scenes = {name: _scene(planner, robot) for name, planner in planners.items()}
    cells = [(name, count) for name in planners for count in samples]
    order, shuffle = list(cells), random.Random(seed)
    times: dict[tuple[str, int], list[tuple[Times, Times]]] = {cell: [] for cell in cells}
    for _ in tqdm(range(repeats + 1), desc="turns", disable=None):
        shuffle.shuffle(order)
        for name, count in order:
            planner = planners[name]
            planner.reset()
            first, then = (timed(partial(planner.plan, seen, goal, seed, count), device)[0] for seen in scenes[name])
            times[name, count].append((first, then))
    clock = "cpu" if device == "cpu" else "wall"
    reference = [getattr(update, clock) for _, update in times[cells[0]][1:]]
    return [_row(*cell, times[cell][1:], reference, clock) for cell in cells]


def _scene(planner: Planner, robot: RobotSpec) -> tuple[Observation, Observation]:
    """What is seen when an episode begins, and a step later."""
    size, rng = planner.spec.image_size, np.random.default_rng(0)
    images = {view: rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for view in robot.views}
    first = Observation(0, 0, images, np.zeros(len(robot.proprio_names), np.float32))
    return first, replace(first, stamp_ns=robot.period_ns, step=1)


def _row(
    name: str, count: int, times: Sequence[tuple[Times, Times]], reference: Sequence[float], clock: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "samples": count}
    for what, several in zip(("plan", "update"), zip(*times, strict=True), strict=True):
        row[f"{what}_ms"] = round(float(np.median([t.wall for t in several])), 2)
        row[f"{what}_cpu_ms"] = round(float(np.median([t.cpu for t in several])), 2)
    ratios = [getattr(update, clock) / other for (_, update), other in zip(times, reference, strict=True)]
    return row | {
        "ratio": round(float(np.median(ratios)), 3),
        "ratio_p25_p75": [round(float(x), 3) for x in np.percentile(ratios, (25, 75))],
    }
