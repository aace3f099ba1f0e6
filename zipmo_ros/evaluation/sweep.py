"""The same episodes under one condition after another, a journal each, so that a sweep goes on where it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from zipmo_ros.evaluation.agents import build_agent
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.journal import Journal, run_identity
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.places import Place
from zipmo_ros.evaluation.pool import Died, run_jobs
from zipmo_ros.evaluation.rollout import run_episode
from zipmo_ros.evaluation.runners import Settings, environment_options
from zipmo_sim import suites
from zipmo_sim.rendering import select_backend
from zipmo_sim.simulator import Simulator


class Condition(Protocol):
    """What differs from cell to cell; hashable. name: of its journal."""

    @property
    def name(self) -> str: ...
    def settings(self, base: Settings) -> Settings: ...


Cell = TypeVar("Cell", bound=Condition)


def sweep(
    base: Settings, cells: Mapping[Cell, Sequence[Episode]], workers: int, folder: Path, hashes: dict[str, str],
    progress: Callable[[Cell, Outcome], None], fresh: bool = False, place: Place | None = None,
) -> dict[Cell, list[Outcome]]:  # fmt: skip
    """Run what the journals in `folder`, one a cell, lack; the outcomes of each cell's episodes, in order.

    They stay there, so that a later sweep with more cells runs those alone. place: see run_jobs. progress: called with
    every outcome, those that were known already first. Raises ValueError or BlockingIOError for journals that can't be
    gone on with, WorkerError where workers can't do anything at all.
    """
    with contextlib.ExitStack() as stack:
        journals: dict[Cell, Journal[Outcome]] = {}
        for cell, episodes in cells.items():
            identity = run_identity(cell.settings(base), episodes, hashes)
            journals[cell] = stack.enter_context(Journal(folder / f"{cell.name}.jsonl", identity, fresh))
            for outcome in journals[cell].done.values():
                progress(cell, outcome)
        groups: dict[str, list[tuple[Cell, Episode]]] = {}
        for cell, episodes in cells.items():
            for episode in episodes:
                if episode.number not in journals[cell].done:
                    groups.setdefault(episode.task, []).append((cell, episode))
        outcomes = {cell: dict(journal.done) for cell, journal in journals.items()}
        with contextlib.closing(run_jobs(_serve, groups, workers, base, place=place)) as jobs:
            for _, (cell, episode), outcome in jobs:
                if isinstance(outcome, Died):
                    error = f"the worker ended ({outcome.how})"
                    outcome = Outcome.of(episode, success=False, original_success=False, steps=0, error=error)
                journals[cell].append(outcome)
                outcomes[cell][episode.number] = outcome
                progress(cell, outcome)
        return {cell: [outcomes[cell][episode.number] for episode in episodes] for cell, episodes in cells.items()}


def _serve(
    task: str, jobs: Iterator[tuple[Condition, Episode]], answer: Callable[[Outcome], None], base: Settings
) -> None:
    """All cells of a task: one environment for as long as it stays the same, and so the models; an agent a cell."""
    select_backend()  # before anything imports mujoco
    options, make_agent = environment_options(base), lru_cache(maxsize=1)(build_agent)
    simulator, agent, current = Simulator(suites, options), None, None
    try:
        for cell, episode in jobs:
            settings = cell.settings(base)
            if cell != current:
                if environment_options(settings) != options:
                    options = environment_options(settings)
                    simulator.close()
                    simulator = Simulator(suites, options)
                simulator.prepare(base.suite, task)
                unperturbed = replace(settings, perturb=base.perturb, strength=base.strength)
                agent, current = make_agent(unperturbed)(simulator.env), cell
            assert agent is not None
            answer(run_episode(simulator, agent, episode, base.suite, settings.image_every))
    finally:
        simulator.close()
