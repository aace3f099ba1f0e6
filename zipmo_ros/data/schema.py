"""What a file of demonstrations holds: for who writes it, for who reads it, and for the tests.

One HDF5 a task, `<root>/<suite>/<task>_demo.hdf5`, in LIBERO's and robomimic's layout:

    data.attrs         CONVENTIONS, SHARED, LOOKS env_args problem_info num_demos total failures
    data/demo_i.attrs  init_state seed noise recovery led leader num_samples success fixture_poses orientation sha256
    data/demo_i/       the arrays of `columns`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zipmo_ros.contract.plan import HORIZON

FORMAT_VERSION = 2
SUFFIX = "_demo.hdf5"
DATA, DEMO = "data", "demo_{}"
ORIENTATION = "upright"
# Attributes of a file that are the same in all of them.
CONVENTIONS = {
    "obs_alignment": "before_action",
    "macros_image_convention": ORIENTATION,
    "format_version": FORMAT_VERSION,
}
# What the demonstrations of one file have in common besides; mixing would make a data set that means nothing.
SHARED = (
    "suite", "task", "language", "landmark_sentences", "asset_hash", "model_hash", "render_hash", "render_every"
)  # fmt: skip
LOOKS = "looks"  # shared too: what looks were drawn from; absent: they look as their suite does


@dataclass(frozen=True)
class Column:
    """An array of a demonstration. shape: its axes, letters for sizes that one demonstration has once.

    T control steps, R of them rendered, V views, P points of a view, K tasks of the scene, images of H x W, S of state.
    by_row: compressed row by row, because readers take single frames and windows.
    """

    dtype: str
    shape: tuple[str | int, ...]
    by_row: bool = False

    def row_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Shape of one row in a demonstration of these sizes."""
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.shape[1:])

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"


IMAGES = "obs/{view}_rgb"
LANDMARKS = "landmarks/{view}"  # (y, x) of what each task takes and of where that is to go; may lie outside the frame,
TRACKS = "tracks/{view}"  # NaN behind the camera. The tasks are those of the attribute landmark_sentences
VISIBLE = "tracks/{view}_visible"
MOVING = "tracks/{view}_moving"
RENDER_STEPS = "render_steps"
COLUMNS = {
    "actions": Column("float64", ("T", 7)),  # what the expert wanted
    "executed_actions": Column("float64", ("T", 7)),  # what was done
    "states": Column("float64", ("T", "S")),
    "robot_states": Column("float32", ("T", 9)),  # proprioception
    "rewards": Column("uint8", ("T",)),
    "dones": Column("uint8", ("T",)),
    RENDER_STEPS: Column("int32", ("R",)),
    "obs/joint_states": Column("float32", ("T", 7)),
    "obs/gripper_states": Column("float32", ("T", 2)),
    "obs/ee_pos": Column("float32", ("T", 3)),  # m
    "obs/ee_ori": Column("float32", ("T", 3)),  # axis-angle
    "obs/ee_states": Column("float32", ("T", 6)),
}
VIEW_COLUMNS = {
    IMAGES: Column("uint8", ("R", "H", "W", 3), by_row=True),
    LANDMARKS: Column("float16", ("R", "K", 2, 2)),
    TRACKS: Column("float16", ("R", "P", HORIZON, 2), by_row=True),
    VISIBLE: Column("bool", ("R", "P", HORIZON), by_row=True),
    MOVING: Column("bool", ("R", "P"), by_row=True),
}


def columns(views: Sequence[str]) -> dict[str, Column]:
    """Every array of a demonstration with these views, by name."""
    seen = {name.format(view=view): column for view in views for name, column in VIEW_COLUMNS.items()}
    return {**COLUMNS, **seen}


def views_of(names: Iterable[str]) -> tuple[str, ...]:
    """The views whose images are among the arrays of these names, sorted."""
    found = (re.fullmatch(IMAGES.format(view="(.+)"), name) for name in names)
    return tuple(sorted(match[1] for match in found if match))


def check_conventions(attributes: Mapping[str, Any]) -> None:
    """Raises ValueError for attributes of a file that is of another version, alignment or orientation."""
    for name, value in CONVENTIONS.items():
        found = attributes.get(name)
        if str(found) != str(value):
            raise ValueError(f"{name} is {found!r}, but '{value}' is needed; convert the file or collect it anew")


def check_arrays(arrays: Mapping[str, Any], views: Sequence[str]) -> dict[str, int]:
    """Sizes {"T": ..., "R": ...} of a demonstration. Raises ValueError, naming the array that is missing or unfit."""
    sizes: dict[str, int] = {}
    for name, column in columns(views).items():
        if name not in arrays:
            raise ValueError(f"has no {name}")
        found = arrays[name]
        fits = found.dtype == column.dtype and len(found.shape) == len(column.shape) and all(
            size == (sizes.setdefault(axis, size) if isinstance(axis, str) else axis)
            for axis, size in zip(column.shape, found.shape, strict=True)
        )  # fmt: skip
        if not fits:
            known = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
            raise ValueError(f"{name} is {found.dtype} {list(found.shape)}, not {column} with {known}")
    return sizes
