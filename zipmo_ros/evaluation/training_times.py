"""What a step of each of several trainings costs: the report of `zipmo bench train`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zipmo_policy.stages.registry import stage_class
from zipmo_ros.evaluation.turns import take_turns
from zipmo_ros.training.loop import TrainingRun
from zipmo_ros.training.request import TrainingRequest
from zipmo_ros.training.run import prepare


def serve(_group: str, jobs: Iterator[int], send: Callable[[Any], None], request: TrainingRequest) -> None:
    """Answer numbers of steps with the (CPU, wall) seconds that they took; and before them, when there is something to
    step, with None.
    """
    stage = prepare(stage_class(request.stage["name"]), request)
    run = TrainingRun(stage.model.train(), stage.loss, stage.batches, request.train, Path(request.out), "")
    stage.teach(run.average.module)
    send(None)
    for steps in jobs:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            run.train_step()
        send((time.process_time() - cpu, time.perf_counter() - wall))


def step_times(requests: Mapping[str, TrainingRequest], steps: int, turns: int) -> dict[str, np.ndarray]:
    """{training: ms a step [turns, 2], CPU and wall}. They take turns of so many steps; a first turn does not count.
    Nothing is written but to the requests' cache.

    Raises LostError for one that can't be trained.
    """
    times = take_turns(serve, {name: (request,) for name, request in requests.items()}, [steps] * (1 + turns))
    return {name: 1e3 * np.array(values) / steps for name, values in times.items()}


def training_report(
    times: Mapping[str, np.ndarray], requests: Mapping[str, TrainingRequest], budget: Sequence[str]
) -> dict[str, Any]:
    """A row a training: CPU ms a step (of all its batches); the same over that of the first of `budget`, the median
    over turns; its steps, the CPU minutes that they take, and how many take as long as all of `budget` together.
    """
    cpu = {name: float(np.median(ms[:, 0])) for name, ms in times.items()}
    steps = {name: request.train.max_steps for name, request in requests.items()}
    whole = sum(steps[name] * cpu[name] for name in budget)
    rows = []
    for name, ms in times.items():
        ratios = ms[:, 0] / times[budget[0]][:, 0]
        rows.append(
            {
                "training": name,
                "windows": requests[name].stage["batch_size"] * (requests[name].train.shards or 1),
                "cpu_ms": round(cpu[name], 2),
                "wall_ms": round(float(np.median(ms[:, 1])), 2),
                "ratio": round(float(np.median(ratios)), 3),
                "ratio_p25_p75": [round(float(x), 3) for x in np.percentile(ratios, (25, 75))],
                "steps": steps[name],
                "cpu_minutes": round(steps[name] * cpu[name] / 6e4, 2),
                "steps_of_budget": round(whole / cpu[name]),
            }
        )
    return {"budget": list(budget), "budget_cpu_minutes": round(whole / 6e4, 2), "rows": rows}
