"""What a control step of an environment costs, beside LIBERO's own: the report of `zipmo bench env`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zipmo_ros.evaluation.turns import take_turns
from zipmo_sim.suites import LOOKS, make_env, render_settings, suite_entry, task

ORIGINAL, UNSEEN = "LIBERO's own", "no images"
HELD = 5  # control steps that an action is held for


@dataclass(frozen=True)
class SteppedScene:
    """What is stepped. size: pixels a side of both cameras; None: the suite's own."""

    suite: str
    task: str
    size: int | None
    libero_assets: Path | None

    @property
    def columns(self) -> tuple[str, ...]:
        """What is compared."""
        return (*LOOKS, UNSEEN, *((ORIGINAL,) if suite_entry(self.suite).libero else ()))

    def make(self, column: str) -> Any:
        """The environment of a column, about to be stepped."""
        shape = render_settings(self.suite, size=self.size).shape
        if column == ORIGINAL:
            from zipmo_sim.suites.libero.original import make_original

            return make_original(task(self.suite, self.task), shape, self.libero_assets)
        options: dict[str, Any] = {"assets": self.libero_assets} if self.libero_assets else {}
        look = None if column == UNSEEN else column
        options["render"] = render_settings(self.suite, look, shape)
        env = make_env(self.suite, self.task, image_every=0 if column == UNSEEN else 1, **options)
        env.reset(options={"init_state": 0})
        return env


def serve(column: str, jobs: Iterator[np.ndarray], send: Callable[[Any], None], scene: SteppedScene) -> None:
    """Answer actions [N, 7] with the (CPU, wall) seconds that they took; and before them, when there is something to
    step, with None.
    """
    env = scene.make(column)
    send(None)
    for actions in jobs:
        wall, cpu = time.perf_counter(), time.process_time()
        for action in actions:
            env.step(action)
        send((time.process_time() - cpu, time.perf_counter() - wall))
    env.close()


def step_times(scene: SteppedScene, steps: int, turns: int, seed: int) -> dict[str, np.ndarray]:
    """{column: ms a control step [turns, 2], CPU and wall}. Each has a process of its own, and all take the same
    actions, in turns: one at a time, in an order that is drawn. A first turn does not count.
    """
    draw = np.random.default_rng(seed)
    jobs = [draw.uniform(-0.5, 0.5, (-(-steps // HELD), 7)).repeat(HELD, axis=0)[:steps] for _ in range(1 + turns)]
    times = take_turns(serve, dict.fromkeys(scene.columns, (scene,)), jobs, seed)
    return {column: 1e3 * np.array(values) / steps for column, values in times.items()}


def env_report(times: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row a column. ratio: median over turns of LIBERO's own CPU time over this one's, in the same turn."""
    original = times.get(ORIGINAL)
    rows = []
    for column, ms in times.items():
        cpu, wall = np.median(ms, axis=0)
        ratios = None if original is None else original[:, 0] / ms[:, 0]
        rows.append(
            {
                "column": column,
                "cpu_ms": round(float(cpu), 3),
                "wall_ms": round(float(wall), 3),
                "steps_a_second": round(float(1e3 / cpu), 2),
                "ratio": None if ratios is None else round(float(np.median(ratios)), 3),
                "ratio_p25_p75": ratios
                if ratios is None
                else [round(float(x), 3) for x in np.percentile(ratios, (25, 75))],
            }
        )
    return rows
