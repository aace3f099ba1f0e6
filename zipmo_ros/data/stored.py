"""Demonstrations as they lie in our files: checked, with their large arrays left on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from zipmo_ros.data import schema


@dataclass(frozen=True)
class StoredDemo:
    """One demonstration, T control steps of which `steps` [R] have images. attributes: the file's and its own.

    sizes: see schema.Column. actions float64 [T, 7]; proprio float32 [T, 9].
    """

    path: Path
    key: str
    views: tuple[str, ...]
    attributes: dict[str, Any]
    sizes: dict[str, int]
    steps: np.ndarray
    actions: np.ndarray
    proprio: np.ndarray

    @property
    def suite(self) -> str:
        return str(self.attributes["suite"])

    @property
    def name(self) -> str:
        return f"{self.suite}/{self.attributes['task']}/{self.key}"

    @property
    def language(self) -> str:
        return str(self.attributes["language"])

    @property
    def told(self) -> tuple[str, ...]:
        """The sentences that the landmarks belong to."""
        return tuple(json.loads(self.attributes["landmark_sentences"]))

    @property
    def init_state(self) -> int:
        return int(self.attributes["init_state"])

    @property
    def rendering(self) -> dict[str, str]:
        """What images of one look have in common."""
        return {name: str(self.attributes.get(name)) for name in ("asset_hash", "render_hash")}

    @property
    def digest(self) -> str:
        """Hex SHA-256 of everything in it."""
        described = [self.name, self.language, self.init_state, self.rendering, self.attributes["sha256"]]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()

    def column(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Rows of a column of schema.VIEW_COLUMNS in all views: [rows, V, ...]."""
        with h5py.File(self.path) as file:
            demo = file[f"{schema.DATA}/{self.key}"]
            return np.stack([demo[name.format(view=view)][rows] for view in self.views], axis=1)


@dataclass(frozen=True)
class StoredColumn:
    """A column of schema.VIEW_COLUMNS in one demonstration, as a Part of Rows: unpacked whenever it is read."""

    demo: StoredDemo
    name: str

    def __len__(self) -> int:
        return len(self.demo.steps)

    def read(self, row: int, into: np.ndarray) -> None:
        """See Part."""
        into[:] = self.demo.column(self.name, slice(row, row + 1))[0]


def demonstration_files(folders: str | Path | Iterable[str | Path]) -> list[Path]:
    """Sorted `*_demo.hdf5` in or one level below the folders (a path, paths, or paths joined by commas).

    Raises FileNotFoundError when a folder has none.
    """
    paths = folders.split(",") if isinstance(folders, str) else [folders] if isinstance(folders, Path) else folders
    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted([*path.glob(f"*{schema.SUFFIX}"), *path.glob(f"*/*{schema.SUFFIX}")])
        if not found:
            raise FileNotFoundError(
                f"no *{schema.SUFFIX} in {path} or one level below; collect some with `zipmo collect`"
            )
        files += found
    return files


def read_demos(path: Path, views: Sequence[str] | None = None, max_demos: int | None = None) -> list[StoredDemo]:
    """The first `max_demos` demonstrations of a file, with these views (None: those it has), which are checked.

    Raises ValueError, naming the file, when it breaks the format.
    """
    where = str(path)
    try:
        with h5py.File(path) as file:
            data = file[schema.DATA]
            schema.check_conventions(data.attrs)
            demos = []
            for key in sorted(data, key=demo_number)[:max_demos]:
                where = f"{path}, {key}"
                demos.append(_read_demo(path, data, key, views))
            return demos
    except OSError as error:
        raise ValueError(f"{where} cannot be read ({error}); is it still being written?") from error
    except (ValueError, KeyError) as error:
        raise ValueError(f"{where}: {error}") from error


def demo_number(key: str) -> int:
    """7 of demo_7. Raises ValueError for other names."""
    return int(key.removeprefix(schema.DEMO.format("")))


def _read_demo(path: Path, data: h5py.Group, key: str, views: Sequence[str] | None) -> StoredDemo:
    demo = data[key]
    attributes = {**data.attrs, **demo.attrs}
    if attributes.get("orientation") != schema.ORIENTATION:
        raise ValueError(f"orientation is {attributes.get('orientation')!r}, but '{schema.ORIENTATION}' is needed")
    if "sha256" not in demo.attrs:
        raise ValueError("has no sha256 of its contents; collect it anew")
    views = tuple(views or schema.views_of(f"obs/{name}" for name in demo["obs"]))
    sizes = schema.check_arrays(demo, views)
    steps, actions = demo[schema.RENDER_STEPS][()].astype(np.int64), demo["actions"][()]
    proprio = np.concatenate([demo["obs/joint_states"][()], demo["obs/gripper_states"][()]], axis=1)
    if not len(steps) or steps[0] < 0 or steps[-1] >= len(actions) or (np.diff(steps) <= 0).any():
        raise ValueError(f"{schema.RENDER_STEPS} {steps.tolist()} are not ascending steps of {len(actions)} actions")
    if not (np.abs(actions) <= 1).all() or not np.isfinite(proprio).all():
        raise ValueError("actions must lie in [-1, 1], and proprioception must be finite")
    found = StoredDemo(path, key, views, attributes, sizes, steps, actions, proprio)
    if len(found.told) != sizes["K"]:
        raise ValueError(f"{sizes['K']} landmarks for {len(found.told)} landmark_sentences")
    return found
