"""`zipmo collect`: demonstrations by scripted experts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tqdm import tqdm

from zipmo_ros.apps.configuration import Count, Names, load
from zipmo_ros.data.demos import DemoError
from zipmo_ros.evaluation.cluster import place_for
from zipmo_ros.evaluation.collection import collect, count_attempts, summary_table
from zipmo_ros.evaluation.demonstrate import Attempt, CollectionSettings
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_sim.suites.libero.assets import ASSETS_VARIABLE, AssetsNotFoundError, LiberoNotInstalledError

if TYPE_CHECKING:
    from zipmo_ros.evaluation.leading import Leader
    from zipmo_ros.evaluation.runners import Settings as LoopSettings

# What a user can put right: told in one line, without a traceback.
_EXPECTED = (ValueError, FileNotFoundError, DemoError, BlockingIOError, WorkerError, AssetsNotFoundError,
             LiberoNotInstalledError)  # fmt: skip


@dataclass(frozen=True)
class CollectRequest:
    """Keys of config/hydra/collect.yaml. The ranges of its numbers are `collect`'s own."""

    suite: str
    tasks: Names
    episodes: int
    out: Path
    workers: int
    ray: str | None
    seed: int
    init_states: int | str | tuple[int, ...] | None
    noise: tuple[float, ...]
    recovery: float
    leader: str | None
    led: float
    replan_every: Count
    render_every: int
    after_success: int
    looks: Literal["training"] | None
    looks_per_demo: Count
    aside: float
    libero_assets: Path | None


def main(argv: list[str]) -> int:
    """Collect; 0, or 1 if attempts ended without a result, or 2 if it can't be done as asked."""
    try:
        return _run(load("collect", argv, CollectRequest))
    except _EXPECTED as error:
        print(f"zipmo collect: {error}", file=sys.stderr)
        return 2


def _run(request: CollectRequest) -> int:
    if request.libero_assets:
        os.environ[ASSETS_VARIABLE] = str(request.libero_assets.expanduser().absolute())  # the workers inherit it
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a worker: they would only fight over the cores
    tasks, states = None if request.tasks == "all" else request.tasks, _init_states(request.init_states)
    settings = CollectionSettings(
        request.noise, request.render_every, request.recovery, request.after_success, request.led, request.looks,
        request.looks_per_demo, request.aside,
    )  # fmt: skip
    load_leader = None
    if request.leader:
        from zipmo_ros.evaluation.evaluate import resolve  # imports torch, which collecting alone does not need

        run = resolve(suite=request.suite, checkpoint=request.leader, via="direct", seed=request.seed,
                      replan_every=request.replan_every, nfe=None, ensemble="intended")  # fmt: skip
        load_leader = partial(_load_leader, run)
    total, left = count_attempts(request.suite, tasks, request.episodes, request.out, request.seed, states)
    counts = {"kept": 0, "failed": 0, "error": 0, "died": 0}
    with tqdm(total=total, initial=total - left, unit="demo", desc=f"{request.suite} to {request.out}") as bar:

        def progress(outcome: Attempt) -> None:
            counts[outcome.status] += 1
            bar.update()
            bar.set_postfix_str(", ".join(f"{count} {status}" for status, count in counts.items() if count))
            if outcome.status in ("error", "died"):
                bar.write(f"{outcome.task}, init state {outcome.identity[0]}: {outcome.detail}", file=sys.stderr)

        with place_for(request.ray) as place:
            summaries = collect(
                request.suite, tasks, request.episodes, request.out, request.workers, request.seed, states, settings,
                progress, load_leader, place,
            )  # fmt: skip
    print(summary_table(summaries))
    return 1 if counts["error"] or counts["died"] else 0


def _load_leader(run: LoopSettings) -> Leader:
    """The model of a bundle in the closed loop without ROS."""
    from zipmo_ros.evaluation.agents import build_agent
    from zipmo_ros.evaluation.leading import Leader
    from zipmo_ros.motion.checkpoint import content_hash

    parts = ("vae", "planner", "policy")
    name = "-".join(content_hash(run.checkpoint / part)[:12] for part in parts)
    return Leader(name, run.replan_every, build_agent(run))


def _init_states(value: int | str | tuple[int, ...] | None) -> list[int] | None:
    """`0-24`, a single number, or a list; None stays."""
    if value is None:
        return None
    if not isinstance(value, str):
        return [value] if isinstance(value, int) else list(value)
    first, _, last = value.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ValueError(f"init_states is FIRST-LAST or a list, got {value!r}")
    return list(range(int(first), int(last or first) + 1))
