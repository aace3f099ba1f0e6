"""Two ways to run the same episodes: directly in this process, or through a graph of ROS nodes in lockstep."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from zipmo_ros.evaluation.episodes import Episode, Outcome


@dataclass(frozen=True)
class Settings:
    """What an evaluation runs with; the meaning of its figures."""

    suite: str
    checkpoint: Path
    via: str
    seed: int
    replan_every: int
    nfe: int | None  # Euler steps of a plan; None: as the checkpoint says
    ensemble: str
    libero_assets: Path | None = None
    planner: str | None = None  # see models.load_planner; None: the bundle's
    policy: str | None = None  # see models.load_policy; None: the bundle's
    oracle: str = "none"  # of agents.AGENTS; only without ROS
    max_steps: int | None = None  # control steps of an episode; None: the suite's own limit


def run_direct(settings: Settings, episodes: list[Episode]) -> Iterator[Outcome]:
    """The loop without ROS."""
    from zipmo_ros.evaluation.agents import build_agent
    from zipmo_ros.evaluation.rollout import run_episodes
    from zipmo_sim.rendering import select_backend

    select_backend()  # before an oracle imports mujoco
    options = {"max_steps": settings.max_steps}
    if settings.libero_assets is not None:
        options["assets"] = settings.libero_assets
    yield from run_episodes(
        settings.suite, episodes, build_agent(settings), image_every=settings.replan_every, **options
    )


def run_ros(settings: Settings, episodes: list[Episode]) -> Iterator[Outcome]:
    """The loop through planner, policy and simulator nodes, each a process of its own."""
    from zipmo_ros.evaluation.over_ros import GraphLoop

    with GraphLoop(settings) as loop:
        for episode in episodes:
            yield loop.run_episode(episode)


GRACE = 10.0  # s, for workers to end their graphs after Ctrl-C

RUNNERS: dict[str, Callable[[Settings, list[Episode]], Iterator[Outcome]]] = {"direct": run_direct, "ros": run_ros}


def _work(settings: Settings, episodes: list[Episode], results: multiprocessing.Queue) -> None:
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C comes to all; the parent says what it means
        for outcome in RUNNERS[settings.via](settings, episodes):
            results.put(outcome)


def _lost(episode: Episode, why: str) -> Outcome:
    error = f"{why} before this episode was done"
    return Outcome.of(episode, success=False, original_success=False, steps=0, error=error)


def run_parallel(
    settings: Settings, episodes: list[Episode], workers: int, progress: Callable[[Outcome], None]
) -> list[Outcome]:
    """Spread episodes over worker processes; the outcomes come back in the order of `episodes`.

    An episode whose worker died, or that Ctrl-C came before, has an error of its own; the others are not lost.
    """
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue = context.Queue()
    shares = [share for share in (episodes[i::workers] for i in range(workers)) if share]
    processes = [context.Process(target=_work, args=(settings, share, results)) for share in shares]
    for process in processes:
        process.start()
    done: dict[int, Outcome] = {}

    def take(timeout: float) -> bool:
        try:
            outcome = results.get(timeout=timeout)
        except Empty:
            return False
        done[outcome.number] = outcome
        progress(outcome)
        return True

    why = None
    try:
        while any(process.is_alive() for process in processes):
            take(timeout=0.5)
        while take(timeout=0.5):
            pass
    except KeyboardInterrupt:
        why = "interrupted"
    finally:
        for process in processes:
            process.join(GRACE if why else 0)
            if process.is_alive():
                process.terminate()
            process.join()
    why = why or f"the worker ended with exit status {max(abs(process.exitcode or 0) for process in processes)}"
    return [done.get(episode.number) or _lost(episode, why) for episode in episodes]
