"""`zipmo collect`: demonstrations by scripted experts."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from tqdm import tqdm

from zipmo_ros.apps.configuration import load
from zipmo_ros.data.demos import DemoError
from zipmo_ros.evaluation import runners
from zipmo_ros.evaluation.collection import collect, count_attempts, summary_table
from zipmo_ros.evaluation.demonstrate import Attempt, CollectionSettings
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.models import bundle_path
from zipmo_sim.suites.libero.assets import ASSETS_VARIABLE, AssetsNotFoundError, LiberoNotInstalledError

if TYPE_CHECKING:
    from zipmo_ros.evaluation.leading import Leader

# What a user can put right: told in one line, without a traceback.
_EXPECTED = (ValueError, FileNotFoundError, DemoError, BlockingIOError, WorkerError, AssetsNotFoundError,
             LiberoNotInstalledError)  # fmt: skip
REPLAN_EVERY, NFE = 2, 4  # of a model that leads


def main(argv: list[str]) -> int:
    """Collect; 0, or 1 if attempts ended without a result, or 2 if it can't be done as asked."""
    try:
        return _run(load("collect", argv))
    except _EXPECTED as error:
        print(f"zipmo collect: {error}", file=sys.stderr)
        return 2


def _run(config: DictConfig) -> int:
    if config.libero_assets:
        os.environ[ASSETS_VARIABLE] = str(config.libero_assets)  # the workers inherit it
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a worker: they would only fight over the cores
    tasks, states = _task_names(config.tasks), _init_states(config.init_states)
    settings = CollectionSettings(
        tuple(config.noise), config.render_every, config.recovery, config.after_success, config.led
    )
    load_leader = None
    if config.leader:
        leader = bundle_path(config.leader)
        run = runners.Settings(config.suite, leader, "direct", config.seed, REPLAN_EVERY, NFE, "intended")
        load_leader = partial(_load_leader, run)
    total, left = count_attempts(config.suite, tasks, config.episodes, config.out, config.seed, states)
    counts = {"kept": 0, "failed": 0, "error": 0, "died": 0}
    with tqdm(total=total, initial=total - left, unit="demo", desc=f"{config.suite} to {config.out}") as bar:

        def progress(outcome: Attempt) -> None:
            counts[outcome.status] += 1
            bar.update()
            bar.set_postfix_str(", ".join(f"{count} {status}" for status, count in counts.items() if count))
            if outcome.status in ("error", "died"):
                bar.write(f"{outcome.task}, init state {outcome.identity[0]}: {outcome.detail}", file=sys.stderr)

        summaries = collect(
            config.suite, tasks, config.episodes, config.out, config.workers, config.seed, states, settings, progress,
            load_leader,
        )  # fmt: skip
    print(summary_table(summaries))
    return 1 if counts["error"] or counts["died"] else 0


def _load_leader(run: runners.Settings) -> Leader:
    """The model of a bundle in the closed loop without ROS."""
    from zipmo_ros.evaluation.leading import Leader
    from zipmo_ros.motion.checkpoint import content_hash

    parts = ("vae", "planner", "policy")
    name = "-".join(content_hash(run.checkpoint / part)[:12] for part in parts)
    return Leader(name, run.replan_every, runners.build_agent(run))


def _task_names(value) -> list[str] | None:
    if value == "all":
        return None
    return value.split(",") if isinstance(value, str) else list(value)


def _init_states(value) -> list[int]:
    """`0-24`, a single number, or a list."""
    if isinstance(value, int):
        return [value]
    if not isinstance(value, str):
        return [int(state) for state in value]
    first, _, last = value.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ValueError(f"init_states is FIRST-LAST or a list, got {value!r}")
    return list(range(int(first), int(last or first) + 1))
