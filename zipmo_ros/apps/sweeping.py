"""What the commands that sweep over conditions share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from zipmo_ros.apps.configuration import Count, Names
from zipmo_ros.apps.evaluate import LoopRequest
from zipmo_ros.contract.splits import BY_NAME
from zipmo_ros.evaluation.cluster import place_for
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.runners import Settings
from zipmo_ros.evaluation.sweep import Cell, sweep


@dataclass(frozen=True)
class SweepRequest(LoopRequest):
    """What every sweep is asked for besides its conditions."""

    tasks: Names
    states: Literal[tuple(BY_NAME)]  # type: ignore[valid-type]
    workers: Count
    ray: str | None
    max_steps: Count | None
    fresh: bool

    @property
    def folder(self) -> Path:
        """Where the journals of its cells stay."""
        return self.out.with_suffix(".cells")

    def swept(
        self, base: Settings, cells: Mapping[Cell, Sequence[Episode]], hashes: dict[str, str]
    ) -> dict[Cell, list[Outcome]]:
        """The outcomes by cell, with a progress bar; see `sweep`."""
        with tqdm(total=sum(map(len, cells.values())), unit="episode") as bar:

            def progress(cell: Cell, outcome: Outcome) -> None:
                bar.set_description(cell.name)
                bar.update()

            with place_for(self.ray) as place:
                return sweep(base, cells, self.workers, self.folder, hashes, progress, self.fresh, place)
