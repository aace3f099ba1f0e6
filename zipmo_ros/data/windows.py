"""Demonstrations as windows: one starts at every rendered step and spans `HORIZON` control steps."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.splits import VALIDATION, reserved_for
from zipmo_ros.data import schema
from zipmo_ros.data.rows import Rows, unpack
from zipmo_ros.data.stored import StoredColumn, StoredDemo, demonstration_files, read_demos

logger = logging.getLogger(__name__)

# What is too large for memory, and where it is stored.
IMAGES = {"images": schema.IMAGES}
TRACKS = {"tracks": schema.TRACKS, "visible": schema.VISIBLE, "moving": schema.MOVING}
AXES = {"P": "points a view", "H": "height of images", "W": "width of images"}  # that all demonstrations share


@dataclass(frozen=True)
class DemonstrationWindows:
    """All windows of one or several folders of demonstrations. W windows, V views, P points, T=16 samples at 20 Hz.

    images: uint8 [W, V, H, W', 3], RGB, upright, at the window's start. Empty [W, 0] when not loaded.
    tracks: float16 [W, V, P, T, 2], (y, x) in [-1, 1], may leave the frame; sample 0 is the start frame. visible:
    bool [W, V, P, T]. moving: bool [W, V, P]. Empty [W, 0] when not loaded. These four lie on disk: an index into them
    reads what it asks for (Rows), and gives a tensor.
    proprio: float32 [W, 9], 7 joint angles (rad) and 2 finger positions (m). actions: float32 [W, T, 7], clean labels
    of steps k..k+15; after the episode's end zero motion with the gripper kept.
    landmarks: float16 [W, K, V, 2, 2], (y, x) of what each of the scene's K sentences takes and of where that is to go;
    NaN where there is nothing to tell. told: int64 [W, K], rows of `sentences` that they belong to, -1 for none.
    sentence: int64 [W], row of `sentences`. demo: int64 [W], row of `demos`. init_state, step: int64 [W].
    views: their names. parts: hash and windows of each file.
    """

    images: Tensor | Rows
    tracks: Tensor | Rows
    visible: Tensor | Rows
    moving: Tensor | Rows
    proprio: Tensor
    actions: Tensor
    landmarks: Tensor
    told: Tensor
    sentence: Tensor
    demo: Tensor
    init_state: Tensor
    step: Tensor
    views: tuple[str, ...]
    sentences: tuple[str, ...]
    demos: tuple[str, ...]
    parts: tuple[tuple[str, slice], ...]
    data_hash: str
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.proprio)

    @property
    def anywhere(self) -> slice:
        """Of a window's points those that were drawn uniformly. The others are there because they move in it, so that
        who is asked about them is told where something will.
        """
        return slice(self.tracks.shape[2] // 2, None)

    def tracks_anywhere(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Tracks float32 [B, V, Q, T, 2] and visible of those points of windows: they do not say what moves."""
        tracks, visible = (part[indices][:, :, self.anywhere] for part in (self.tracks, self.visible))
        return tracks.float(), visible

    @classmethod
    def load(
        cls,
        folders: str | Path | Iterable[str | Path],
        *,
        images: bool = True,
        tracks: bool = True,
        max_demos: int | None = None,
        cache: str | Path | None = None,
    ) -> DemonstrationWindows:
        """Every `*_demo.hdf5` in or one level below `folders` (a path, paths, or paths joined by commas).

        max_demos: at most so many demonstrations of each task, for quick runs. cache: folder where images and tracks
        are unpacked, file by file, the first time that they are wanted (0.12 MB a window); None: they are unpacked
        whenever they are asked for, which takes a hundred times as long.

        Raises FileNotFoundError when there is no file, ValueError when a file does not keep the format, when two
        files were rendered with different assets or settings, when a demonstration starts from a state reserved for
        evaluation, or when the cache has no room.
        """
        views = load_robot().views
        demos = [demo for path in demonstration_files(folders) for demo in read_demos(path, views, max_demos)]
        if not demos:
            raise ValueError(f"no demonstration in {folders}; collect some with `zipmo collect`")
        _check_together(demos)
        sentences = tuple(sorted({sentence for demo in demos for sentence in (demo.language, *demo.told)}))
        files = [list(group) for _, group in itertools.groupby(demos, key=lambda demo: demo.path)]
        windows = cls(
            **_large(files, IMAGES, images, cache),
            **_large(files, TRACKS, tracks, cache),
            **_small(demos, sentences),
            views=views,
            sentences=sentences,
            demos=tuple(demo.name for demo in demos),
            parts=_parts(files),
            data_hash=_digest(demos),
            provenance={demo.suite: demo.rendering for demo in demos},
        )
        counts = len(windows), len(demos), len(sentences)
        logger.info("%d windows of %d demonstrations, %d sentences, data %s", *counts, windows.data_hash[:12])
        return windows

    def split(self, validation_states: Sequence[int] = VALIDATION) -> tuple[Tensor, Tensor]:
        """Indices of the training and of the validation windows, whose demonstrations start from these states."""
        held_out = torch.isin(self.init_state, torch.tensor(list(validation_states), dtype=torch.int64))
        training, validation = (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]
        if not len(training):
            raise ValueError(f"every demonstration starts from one of the validation states {tuple(validation_states)}")
        if not len(validation):
            logger.warning("no demonstration starts from %s: validating on training windows", tuple(validation_states))
            validation = training
        return training, validation

    def begins(self) -> Tensor:
        """Whether each window is the first of its demonstration, bool [W]."""
        return self.demo.diff(prepend=self.demo.new_full((1,), -1)) != 0

    def check_told(self) -> None:
        """Raises ValueError unless all of them say where their scene's sentences point."""
        untold = int(self.demo[(self.told < 0).all(1)].unique().numel())
        if untold:
            told = f"{untold} of {len(self.demos)} demonstrations do not say where their sentences point"
            raise ValueError(f"{told}: collect them anew")

    def own_landmarks(self, indices: Tensor) -> Tensor:
        """Landmarks of the windows' own sentences, float32 [B, V, 2, 2]; NaN where there are none."""
        if not self.told.shape[1]:
            return torch.full((len(indices), len(self.views), 2, 2), torch.nan)
        own = self.told[indices] == self.sentence[indices, None]
        places = self.landmarks[indices, own.int().argmax(1)].float()
        return places.masked_fill(~own.any(1)[:, None, None, None], torch.nan)

    def another_sentence(self, indices: Tensor) -> Tensor:
        """Rows [B] of `sentences`: of each window another sentence of its scene; its own where there is no other."""
        own = self.sentence[indices]
        if not self.told.shape[1]:
            return own
        told = self.told[indices]
        differs = (told >= 0) & (told != own[:, None])
        first = told.gather(1, differs.int().argmax(1, keepdim=True))[:, 0]
        return torch.where(differs.any(1), first, own)

    def proprio_statistics(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [9] of the proprioception over `indices`; a constant channel gets deviation 1."""
        chosen = self.proprio[indices].double()
        std = chosen.std(0, correction=0)
        return chosen.mean(0).float(), torch.where(std < 1e-4, torch.ones_like(std), std).float()


def action_windows(actions: np.ndarray, steps: np.ndarray, horizon: int = HORIZON) -> np.ndarray:
    """[T, 7] -> [len(steps), horizon, 7]; past the end the motion is zero and the gripper stays as it was last."""
    rest = np.zeros_like(actions[-1])
    rest[6] = actions[-1, 6]
    padded = np.concatenate([actions, np.repeat(rest[None], horizon, axis=0)])
    return padded[steps[:, None] + np.arange(horizon)]


def _check_together(demos: Sequence[StoredDemo]) -> None:
    """No state that is reserved, one look a suite (each has assets of its own), one size of everything for all."""
    firsts: dict[str, StoredDemo] = {}
    for demo in demos:
        if purpose := reserved_for(demo.init_state):
            raise ValueError(f"{demo.path}, {demo.key}: starts from init state {demo.init_state}, kept for {purpose}")
        first = firsts.setdefault(demo.suite, demo)
        for name, value in demo.rendering.items():
            if value != first.rendering[name]:
                raise ValueError(
                    f"{demo.path} and {first.path} differ in {name} ({value} and {first.rendering[name]}); "
                    "images of different looks must not be mixed"
                )
        for axis, meaning in AXES.items():
            sizes = demo.sizes[axis], demos[0].sizes[axis]
            if sizes[0] != sizes[1]:
                raise ValueError(f"{demo.path} and {demos[0].path} differ in {meaning}: {sizes[0]} and {sizes[1]}")


def _large(
    files: list[list[StoredDemo]], wanted: dict[str, str], load: bool, cache: str | Path | None
) -> dict[str, Tensor | Rows]:
    """Columns that stay on disk: as they are stored, or unpacked in `cache`."""
    arrays: dict[str, Tensor | Rows] = {}
    for name, stored in wanted.items():
        column, first = schema.VIEW_COLUMNS[stored], files[0][0]
        shape, parts = (len(first.views), *column.row_shape(first.sizes)), []
        for demos in files:
            whole = [StoredColumn(demo, stored) for demo in demos]
            if cache is None or not load:
                parts += whole
                continue
            path = Path(cache) / f"{name}-{_digest(demos)[:12]}-{'+'.join(first.views)}.npy"
            blocks = (demo.column(stored) for demo in demos)
            parts.append(unpack(path, (sum(map(len, whole)), *shape), column.dtype, blocks))
        arrays[name] = Rows(parts, shape, column.dtype) if load else torch.empty(sum(map(len, parts)), 0)
    return arrays


def _small(demos: Sequence[StoredDemo], sentences: tuple[str, ...]) -> dict[str, Tensor]:
    """Columns that are in memory: about a hundredth of the others."""
    counts = [len(demo.steps) for demo in demos]
    most = max(len(demo.told) for demo in demos)
    landmarks = np.full((sum(counts), most, len(demos[0].views), 2, 2), np.nan, np.float16)
    told = np.full((sum(counts), most), -1, np.int64)
    start = 0
    for demo, count in zip(demos, counts, strict=True):
        rows, places = slice(start, start + count), demo.column(schema.LANDMARKS)
        landmarks[rows, : len(demo.told)] = places.swapaxes(1, 2)
        told[rows, : len(demo.told)] = [sentences.index(sentence) for sentence in demo.told]
        start += count
    arrays = {
        "proprio": np.concatenate([demo.proprio[demo.steps] for demo in demos]),
        "actions": np.concatenate([action_windows(demo.actions, demo.steps).astype(np.float32) for demo in demos]),
        "landmarks": landmarks,
        "told": told,
        "sentence": np.repeat([sentences.index(demo.language) for demo in demos], counts),
        "demo": np.repeat(np.arange(len(demos)), counts),
        "init_state": np.repeat([demo.init_state for demo in demos], counts),
        "step": np.concatenate([demo.steps for demo in demos]),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _digest(demos: Sequence[StoredDemo]) -> str:
    return hashlib.sha256("".join(demo.digest for demo in demos).encode()).hexdigest()


def _parts(files: list[list[StoredDemo]]) -> tuple[tuple[str, slice], ...]:
    """Hash and windows of each file."""
    stops = [0, *itertools.accumulate(sum(len(demo.steps) for demo in demos) for demos in files)]
    return tuple((_digest(demos), slice(*rows)) for demos, rows in zip(files, itertools.pairwise(stops), strict=True))
