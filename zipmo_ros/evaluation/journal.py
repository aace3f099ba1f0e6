"""What an evaluation has done so far, so that it goes on where it was when it is killed.

A file of JSON lines that only ever grows: the first says which evaluation it is of, each other one is an outcome.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from zipmo_ros import __version__
from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.runners import Settings


def run_identity(settings: Settings, episodes: Sequence[Episode], hashes: Mapping[str, str]) -> dict[str, str]:
    """What outcomes must share to stand in one result: settings, version, episodes, and the content of what was used.

    hashes: of the checkpoint, of assets, ...; they stand for the paths, which may change.
    """
    paths = ("checkpoint", "libero_assets", "text_encoder", "gallery")
    chosen = {name: str(value) for name, value in asdict(settings).items() if name not in paths}
    digest = hashlib.sha256(json.dumps([asdict(episode) for episode in episodes]).encode()).hexdigest()
    drawn = f"{len(episodes)} of {len({episode.task for episode in episodes})} tasks, {digest[:16]}"
    return {**chosen, **hashes, "version": __version__, "episodes": drawn}


# Of the settings: a journal from before one of them came has no word of it.
_USUAL = {field.name: str(field.default) for field in fields(Settings) if field.default is not MISSING}


class Numbered(Protocol):
    """A dataclass of JSON's types and tuples. error: set where it is no result."""

    @property
    def number(self) -> int: ...
    @property
    def error(self) -> str | None: ...


Entry = TypeVar("Entry", bound=Numbered)


def read_outcome(row: dict[str, Any]) -> Outcome:
    """An outcome of its JSON."""
    return Outcome(**row | {"done_tasks": tuple(row["done_tasks"])})


class Journal(Generic[Entry]):
    """The outcomes of one evaluation, each on disk when `append` returns. Use it as a context manager.

    identity: of the evaluation, see run_identity. fresh: forget what is there, whatever it is of. read: makes an
    outcome of its JSON.
    done: outcomes by episode number. Episodes that crashed are not among them, though they are in the file: a crash
    is no result, its cause may be gone, and an episode that runs again under its number is the same episode.

    Raises ValueError if the file is of another evaluation, or none; BlockingIOError while another process has it open.
    """

    def __init__(self, path: Path, identity: Mapping[str, str], fresh: bool = False,
                 read: Callable[[dict[str, Any]], Entry] = read_outcome):  # type: ignore[assignment]  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.done: dict[int, Entry] = {}
        self._read = read
        self._stream = path.open("a+b")
        try:
            self._open(dict(identity), fresh)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal[Entry]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, outcome: Entry) -> None:
        """Write the outcome, down to the disk."""
        self._write(asdict(outcome))  # type: ignore[call-overload]
        self._take(outcome)

    def close(self) -> None:
        """Let others open the file."""
        self._stream.close()

    def remove(self) -> None:
        """Close and delete the file: the evaluation is complete, and its result is written."""
        self.path.unlink()
        self.close()

    def _open(self, identity: dict[str, str], fresh: bool) -> None:
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process
        except BlockingIOError as error:
            raise BlockingIOError(error.errno, f"another evaluation is writing {self.path}") from error
        self._stream.seek(0)
        whole, _, torn = (b"", b"", b"") if fresh else self._stream.read().rpartition(b"\n")
        if not whole and json.dumps(identity).encode().startswith(torn):
            self._stream.truncate(0)
            self._write(identity)
            return
        try:
            known, *rows = map(json.loads, whole.splitlines())
            outcomes = [self._read(row) for row in rows]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{self.path} is not what an evaluation writes ({error}): name another out=") from error
        known, identity = {**_USUAL, **known}, {**_USUAL, **identity}
        if known != identity:
            names = [name for name in {**known, **identity} if known.get(name) != identity.get(name)]
            differing = ", ".join(f"{name} ({known.get(name)} there, {identity.get(name)} now)" for name in names)
            raise ValueError(
                f"{self.path} is of an evaluation that was not finished, with other {differing}: name another out= to "
                "keep it, or say fresh=true to begin anew"
            )
        self._stream.truncate(len(whole) + 1)  # the process may have been killed in the middle of a line
        for outcome in outcomes:
            self._take(outcome)

    def _take(self, outcome: Entry) -> None:
        if outcome.error is None:
            self.done[outcome.number] = outcome

    def _write(self, row: Mapping) -> None:
        self._stream.write(json.dumps(row).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
