"""What a plan costs, of any planner of the contract: the first of an episode, the next one, and several futures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from zipmo_ros.contract.goal import Goal
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.protocols import Planner
from zipmo_ros.contract.robot import RobotSpec


def plan_times(
    planner: Planner,
    robot: RobotSpec,
    goal: Goal,
    *,
    samples: Sequence[int] = (1, 8, 64),
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, Any]]:
    """Rows of samples, plan_ms and update_ms: medians over `repeats` episodes, after one that is not counted.

    The first plan of an episode, and the one a step later, for which a planner that keeps state need not begin anew.
    The scene is noise, and stands still: points are found again.
    """
    size, rng = planner.spec.image_size, np.random.default_rng(0)
    images = {view: rng.integers(0, 256, (size, size, 3), dtype=np.uint8) for view in robot.views}
    proprio = np.zeros(len(robot.proprio_names), np.float32)
    first = Observation(0, 0, images, proprio)
    then = replace(first, stamp_ns=robot.period_ns, step=1)

    def timed(observation: Observation, count: int) -> float:
        began = clock()
        planner.plan(observation, goal, seed=0, samples=count)
        return 1e3 * (clock() - began)

    rows = []
    for count in samples:
        times = []
        for _ in range(repeats + 1):
            planner.reset()
            times.append((timed(first, count), timed(then, count)))
        plan, update = (statistics.median(part) for part in zip(*times[1:], strict=True))
        rows.append({"samples": count, "plan_ms": round(plan, 2), "update_ms": round(update, 2)})
    return rows
