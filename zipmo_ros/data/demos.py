"""Writing files of demonstrations (schema.py says what they hold).

While demonstrations are made, each lies in a small file of its own, which appears complete or not at all; `merge` packs
them into the task's file, which is replaced in one stroke. A crash therefore loses at most what was being made.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from zipmo_ros.data import schema
from zipmo_ros.data.stored import demo_number

PARTS = ".parts"
_LOOKS_APART = 10**7  # seeds between two looks of one execution: more than any collection counts up to

Identity = tuple[int, int]
"""(init_state, seed): with its task, what a demonstration is made from."""


def look_seed(seed: int, look: int) -> int:
    """The seed under which look number `look` (from 0) of what was executed with `seed` is kept."""
    return seed + look * _LOOKS_APART


class DemoError(ValueError):
    """Demonstrations that don't fit together, or a file that isn't one of ours; the message names it."""


@dataclass(frozen=True)
class Demo:
    """One demonstration in memory. arrays: {"actions": ..., "obs/VIEW_rgb": ...}, attrs: as schema.py has them.

    num_samples, orientation and sha256 are put there by whoever writes it.
    """

    arrays: dict[str, np.ndarray]
    attrs: dict[str, object]

    @property
    def identity(self) -> Identity:
        return int(self.attrs["init_state"]), int(self.attrs["seed"])


@dataclass(frozen=True)
class DemoInfo:
    """What a file says of one demonstration, without its arrays."""

    identity: Identity
    num_samples: int
    sha256: str


@dataclass(frozen=True)
class DemoFile:
    """Metadata of a task's file. failures: identities that were tried in vain. looks: as they were collected with."""

    path: Path
    demos: tuple[DemoInfo, ...]
    failures: tuple[Identity, ...]
    looks: str | None


def demo_path(root: str | Path, suite: str, task: str) -> Path:
    return Path(root) / suite / f"{task}{schema.SUFFIX}"


def part_path(root: str | Path, suite: str, task: str, identity: Identity) -> Path:
    return Path(root) / suite / PARTS / task / "{:03d}_{}.hdf5".format(*identity)


def read_info(path: str | Path) -> DemoFile:
    """Metadata of one task's file. Raises DemoError for a file of another kind or version."""
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            data = file[schema.DATA]
            schema.check_conventions(data.attrs)
            demos = tuple(_info(data[key].attrs) for key in sorted(data, key=demo_number))
            failures = tuple((int(state), int(seed)) for state, seed in json.loads(data.attrs["failures"]))
            looks = data.attrs.get(schema.LOOKS)
    except (OSError, KeyError, ValueError) as error:
        raise DemoError(f"{path} is no demonstration file of ours: {error}") from error
    return DemoFile(path, demos, failures, looks)


def write_part(root: str | Path, shared: dict[str, object], demo: Demo) -> Path:
    """Write one finished demonstration to a file of its own, completely or not at all. shared: see schema.SHARED.

    Raises ValueError for arrays that the schema does not have like this.
    """
    views = schema.views_of(demo.arrays)
    columns = schema.columns(views)
    arrays = {
        name: np.asarray(array).astype(columns[name].dtype, order="C", casting="same_kind", copy=False)
        for name, array in sorted(demo.arrays.items())
    }
    sizes = schema.check_arrays(arrays, views)
    path = part_path(root, str(shared["suite"]), str(shared["task"]), demo.identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with h5py.File(temporary, "w") as file:
        data = file.create_group(schema.DATA)
        data.attrs.update(shared | schema.CONVENTIONS)
        group = data.create_group(schema.DEMO.format(0))
        digest = hashlib.sha256()
        for name, array in arrays.items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array)
            group.create_dataset(name, data=array, **(_by_row(array) if columns[name].by_row else {}))
        made = {"num_samples": sizes["T"], "orientation": schema.ORIENTATION, "sha256": digest.hexdigest()}
        group.attrs.update(demo.attrs | made)
    os.replace(temporary, path)
    return path


def write_failure(root: str | Path, suite: str, task: str, identity: Identity) -> None:
    """Note that this identity was tried in vain, so that a later run doesn't try again."""
    path = part_path(root, suite, task, identity).with_suffix(".failed")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def known(root: str | Path, suite: str, task: str) -> tuple[set[Identity], set[Identity]]:
    """Identities of a task that are done and that failed, merged or not."""
    done, failed = set(), set()
    path = demo_path(root, suite, task)
    if path.exists():
        info = read_info(path)
        done |= {demo.identity for demo in info.demos}
        failed |= set(info.failures)
    for part in path.parent.glob(f"{PARTS}/{task}/*"):
        if part.suffix in (".hdf5", ".failed"):
            (done if part.suffix == ".hdf5" else failed).add(_identity(part))
    return done, failed


def merge(root: str | Path, suite: str, task: str) -> DemoFile | None:
    """Pack a task's parts into its file and remove them; without parts, the file as it is (None if there is none).

    Raises: DemoError if parts differ from the file in what all demonstrations of a file share (schema.SHARED).
    """
    target = demo_path(root, suite, task)
    folder = target.parent / PARTS / task
    for leftover in folder.glob("*.tmp"):
        leftover.unlink()
    parts = sorted(folder.glob("*.hdf5"))
    noted = sorted(folder.glob("*.failed"))
    if parts or (noted and target.exists()):
        _, failed = known(root, suite, task)
        temporary = target.with_suffix(".tmp")
        with h5py.File(temporary, "w") as output:
            _pack(output.create_group(schema.DATA), [target] if target.exists() else [], parts, failed)
        os.replace(temporary, target)
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return read_info(target) if target.exists() else None


def _pack(data: h5py.Group, merged: list[Path], parts: list[Path], failed: set[Identity]) -> None:
    sources: dict[Identity, tuple[Path, str]] = {}
    shared: dict[str, object] = {}
    for path in [*merged, *parts]:
        with h5py.File(path, "r") as file:
            attrs = dict(file[schema.DATA].attrs)
            shared = shared or attrs
            names = (*schema.SHARED, *schema.CONVENTIONS, schema.LOOKS)
            different = [name for name in names if attrs.get(name) != shared.get(name)]
            if different:
                raise DemoError(
                    f"{path} differs from {(merged or parts)[0]} in {', '.join(different)}: collect into another "
                    "folder, or remove the old demonstrations"
                )
            for key, demo in file[schema.DATA].items():
                sources.setdefault(_info(demo.attrs).identity, (path, key))
    total = 0
    for number, identity in enumerate(sorted(sources)):
        path, key = sources[identity]
        with h5py.File(path, "r") as file:
            name = schema.DEMO.format(number)
            file.copy(f"{schema.DATA}/{key}", data, name=name)
        total += int(data[name].attrs["num_samples"])
    data.attrs.update(shared | {"num_demos": len(sources), "total": total, "failures": json.dumps(sorted(failed))})


def _by_row(array: np.ndarray) -> dict[str, object]:
    return {"chunks": (1, *array.shape[1:]), "compression": "gzip", "compression_opts": 1, "shuffle": True}


def _identity(part: Path) -> Identity:
    state, seed = part.stem.split("_")
    return int(state), int(seed)


def _info(attrs) -> DemoInfo:
    identity = int(attrs["init_state"]), int(attrs["seed"])
    return DemoInfo(identity, int(attrs["num_samples"]), str(attrs["sha256"]))
