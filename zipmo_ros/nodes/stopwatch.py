"""When a stage began and ended, of every control step, on the clock that all processes of a machine share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "ZIPMO_STOPWATCH"  # environment variable: where timed nodes write


class Lap(NamedTuple):
    """step: of the episode. Times in ns of the steady clock."""

    stage: str
    step: int
    began_ns: int
    ended_ns: int


class Stopwatch:
    """Writes laps to a file of its own below a folder."""

    def __init__(self, folder: Path, name: str):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{name}.jsonl").open("a", buffering=1)

    def timed(self, stage: str, call: Callable[..., Any], step: Callable[..., int]) -> Callable[..., Any]:
        """The call, timed. step: its arguments -> the control step that it is for, asked before the call."""

        def timed_call(*arguments: Any, **named: Any) -> Any:
            number, began_ns = step(*arguments, **named), time.monotonic_ns()
            try:
                return call(*arguments, **named)
            finally:
                self._file.write(json.dumps([stage, number, began_ns, time.monotonic_ns()]) + "\n")

        return timed_call


def read_laps(folder: Path) -> list[Lap]:
    """All laps of a folder."""
    files = sorted(folder.glob("*.jsonl"))
    return [Lap(*json.loads(line)) for file in files for line in file.read_text().splitlines()]
