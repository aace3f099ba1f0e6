"""Demonstrations as windows in memory: one window starts at every rendered step and spans `HORIZON` control steps."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)

VIEWS = ("agentview", "eye_in_hand")
HORIZON = 16
FORMAT_VERSION = 2
HELD_OUT_STATES = range(25, 100)  # for evaluation, and (those of `mini` from 50 on) for choosing settings by it
VALIDATION_STATES = (22, 23, 24)


@dataclass(frozen=True)
class DemonstrationWindows:
    """All windows of one or several folders of demonstrations. W windows, V views, P points, T=16 samples at 20 Hz.

    images: uint8 [W, V, 128, 128, 3], RGB, upright, at the window's start. Empty [W, 0] when not loaded.
    tracks: float16 [W, V, P, T, 2], (y, x) in [-1, 1], may leave the frame; sample 0 is the start frame. visible:
    bool [W, V, P, T].
    moving: bool [W, V, P]. Empty [W, 0] when not loaded.
    proprio: float32 [W, 9], 7 joint angles (rad) and 2 finger positions (m). actions: float32 [W, T, 7], clean labels
    of steps k..k+15;
    after the episode's end zero motion with the gripper kept.
    landmarks: float16 [W, K, V, 2, 2], (y, x) of what each of the scene's K sentences takes and of where that is to go;
    NaN where there is nothing to tell. told: int64 [W, K], rows of `sentences` that they belong to, -1 for none.
    sentence: int64 [W], row of `sentences`. demo: int64 [W], row of `demos`. init_state, step: int64 [W].
    parts: hash and windows of each file.
    """

    images: Tensor
    tracks: Tensor
    visible: Tensor
    moving: Tensor
    proprio: Tensor
    actions: Tensor
    landmarks: Tensor
    told: Tensor
    sentence: Tensor
    demo: Tensor
    init_state: Tensor
    step: Tensor
    sentences: tuple[str, ...]
    demos: tuple[str, ...]
    parts: tuple[tuple[str, slice], ...]
    data_hash: str
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.proprio)

    @classmethod
    def load(
        cls,
        folders: str | Path | Iterable[str | Path],
        *,
        images: bool = True,
        tracks: bool = True,
        max_demos: int | None = None,
    ) -> DemonstrationWindows:
        """Read every `*_demo.hdf5` in or one level below `folders` (a path, paths, or paths joined by commas).

        max_demos: at most so many demonstrations of each task, for quick runs.

        Raises FileNotFoundError when there is no file, ValueError when a file does not keep the format, when two
        files were rendered
        with different assets or settings, or when a demonstration starts from a state reserved for evaluation.
        """
        demos = [demo for file in demonstration_files(folders) for demo in _scan(file, max_demos)]
        if not demos:
            raise ValueError(f"no demonstration in {folders}; collect some with `zipmo collect`")
        _check_same_rendering(demos)
        total = sum(len(demo.render_steps) for demo in demos)
        sentences = tuple(sorted({sentence for demo in demos for sentence in (demo.language, *demo.told)}))
        told = max(len(demo.told) for demo in demos)
        arrays = _allocate(total, demos[0].points, told, images, tracks)
        start = 0
        for number, demo in enumerate(demos):
            rows = slice(start, start + len(demo.render_steps))
            demo.read({name: array[rows] for name, array in arrays.items()})
            arrays["sentence"][rows] = sentences.index(demo.language)
            arrays["told"][rows, : len(demo.told)] = [sentences.index(sentence) for sentence in demo.told]
            arrays["demo"][rows] = number
            arrays["init_state"][rows] = demo.init_state
            arrays["step"][rows] = demo.render_steps
            start = rows.stop
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for name in ("proprio", "actions"):
            if not torch.isfinite(tensors[name]).all():
                raise ValueError(f"the demonstrations in {folders} hold {name} that are not finite")
        digest = _digest(demos)
        logger.info(
            "%d windows of %d demonstrations, %d sentences, data %s", total, len(demos), len(sentences), digest[:12]
        )
        names = tuple(demo.name for demo in demos)
        return cls(
            **tensors,
            sentences=sentences,
            demos=names,
            parts=_parts(demos),
            data_hash=digest,
            provenance={demo.suite: demo.rendering for demo in demos},
        )

    def split(self, validation_states: Sequence[int] = VALIDATION_STATES) -> tuple[Tensor, Tensor]:
        """Indices of the training and the validation windows: validation demonstrations start from
        `validation_states`.
        """
        held_out = torch.isin(self.init_state, torch.tensor(list(validation_states), dtype=torch.int64))
        training, validation = (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]
        if not len(training):
            raise ValueError(f"every demonstration starts from one of the validation states {tuple(validation_states)}")
        if not len(validation):
            logger.warning("no demonstration starts from %s: validating on training windows", tuple(validation_states))
            validation = training
        return training, validation

    def own_landmarks(self, indices: Tensor) -> Tensor:
        """Landmarks of the windows' own sentences, float32 [B, V, 2, 2]; NaN where there are none."""
        if not self.told.shape[1]:
            return torch.full((len(indices), len(VIEWS), 2, 2), torch.nan)
        own = self.told[indices] == self.sentence[indices, None]
        places = self.landmarks[indices, own.int().argmax(1)].float()
        return places.masked_fill(~own.any(1)[:, None, None, None], torch.nan)

    def proprio_statistics(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [9] of the proprioception over `indices`; a constant channel gets deviation 1."""
        chosen = self.proprio[indices].double()
        std = chosen.std(0, correction=0)
        return chosen.mean(0).float(), torch.where(std < 1e-4, torch.ones_like(std), std).float()


class WindowBatches:
    """Endless batches over `indices` in seeded random order; the position can be saved and restored exactly.

    collate(chosen indices [B], generator) -> batch. It may draw from the generator (augmentation, points, noise): the
    generator's state
    between two batches is all that a resumed run needs.
    """

    def __init__(
        self, indices: Tensor, batch_size: int, seed: int, collate: Callable[[Tensor, torch.Generator], Any]
    ) -> None:
        if batch_size < 1 or not len(indices):
            raise ValueError(f"cannot make batches of {batch_size} from {len(indices)} windows")
        self.indices, self.batch_size, self.collate = indices, batch_size, collate
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> WindowBatches:
        return self

    def __next__(self) -> Any:
        while len(self.order) < self.batch_size:
            self.order = torch.cat([self.order, torch.randperm(len(self.indices), generator=self.generator)])
        chosen, self.order = self.order[: self.batch_size], self.order[self.batch_size :]
        return self.collate(self.indices[chosen], self.generator)

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state(), "order": self.order.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.order = state["order"].cpu().clone()


def demonstration_files(folders: str | Path | Iterable[str | Path]) -> list[Path]:
    """Sorted `*_demo.hdf5` in or one level below the folders; raises FileNotFoundError when a folder has none."""
    paths = folders.split(",") if isinstance(folders, str) else [folders] if isinstance(folders, Path) else folders
    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted([*path.glob("*_demo.hdf5"), *path.glob("*/*_demo.hdf5")])
        if not found:
            raise FileNotFoundError(f"no *_demo.hdf5 in {path} or one level below; collect some with `zipmo collect`")
        files += found
    return files


def action_windows(actions: np.ndarray, steps: np.ndarray, horizon: int = HORIZON) -> np.ndarray:
    """[T, 7] -> [len(steps), horizon, 7]; past the end the motion is zero and the gripper stays as it was last."""
    rest = np.zeros_like(actions[-1])
    rest[6] = actions[-1, 6]
    padded = np.concatenate([actions, np.repeat(rest[None], horizon, axis=0)])
    return padded[steps[:, None] + np.arange(horizon)]


@dataclass(frozen=True)
class _Demo:
    """One demonstration, before its large arrays are read."""

    file: Path
    key: str
    name: str
    language: str
    told: tuple[str, ...]
    init_state: int
    render_steps: np.ndarray
    points: int
    rendering: dict[str, str]
    digest: str

    @property
    def suite(self) -> str:
        return self.name.split("/")[0]

    def read(self, rows: dict[str, np.ndarray]) -> None:
        """Fill this demonstration's rows of the arrays."""
        with h5py.File(self.file) as file:
            demo = file[f"data/{self.key}"]
            steps = self.render_steps
            proprio = np.concatenate([demo["obs/joint_states"][()], demo["obs/gripper_states"][()]], axis=1)
            rows["proprio"][:] = proprio[steps]
            rows["actions"][:] = action_windows(demo["actions"][()], steps)
            for number, view in enumerate(VIEWS):
                rows["landmarks"][:, : len(self.told), number] = demo[f"landmarks/{view}"][()]
                if rows["images"].shape[1]:
                    rows["images"][:, number] = demo[f"obs/{view}_rgb"][()]
                if rows["tracks"].shape[1]:
                    rows["tracks"][:, number] = demo[f"tracks/{view}"][()]
                    rows["visible"][:, number] = demo[f"tracks/{view}_visible"][()]
                    rows["moving"][:, number] = demo[f"tracks/{view}_moving"][()]


def _scan(path: Path, max_demos: int | None) -> list[_Demo]:
    """Metadata of a file's demonstrations, checked."""
    try:
        file = h5py.File(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}); is it still being written?") from error
    with file:
        data = file["data"]
        expected = {
            "obs_alignment": "before_action",
            "macros_image_convention": "upright",
            "format_version": str(FORMAT_VERSION),
        }
        for name, value in expected.items():
            found = data.attrs.get(name)
            if str(found) != value:
                raise ValueError(
                    f"{path}: {name} is {found!r}, but '{value}' is needed; convert the file or collect it anew"
                )
        rendering = {name: str(data.attrs.get(name)) for name in ("asset_hash", "render_hash")}
        keys = sorted((key for key in data if re.fullmatch(r"demo_\d+", key)), key=lambda key: int(key[5:]))
        return [_scan_demo(path, data, key, rendering) for key in keys[:max_demos]]


def _scan_demo(path: Path, data: h5py.Group, key: str, rendering: dict[str, str]) -> _Demo:
    demo = data[key]
    name = f"{data.attrs['suite']}/{data.attrs['task']}/{key}"
    if demo.attrs.get("orientation") != "upright":
        raise ValueError(f"{path}, {key}: orientation is {demo.attrs.get('orientation')!r}, but 'upright' is needed")
    if "sha256" not in demo.attrs:
        raise ValueError(f"{path}, {key}: has no sha256 of its contents; collect it anew")
    init_state = int(demo.attrs["init_state"])
    if init_state in HELD_OUT_STATES:
        raise ValueError(f"{path}, {key}: starts from init state {init_state}; "
                         f"{HELD_OUT_STATES[0]}-{HELD_OUT_STATES[-1]} are for evaluation only")  # fmt: skip
    actions, steps = demo["actions"][()], demo["render_steps"][()].astype(np.int64)
    frames = {view: demo[f"obs/{view}_rgb"].shape[0] for view in VIEWS}
    if set(frames.values()) != {len(steps)} or not len(steps) or steps.min() < 0 or steps.max() >= len(actions):
        raise ValueError(f"{path}, {key}: {len(steps)} render steps up to {steps.max(initial=-1)} do not fit "
                         f"{len(actions)} actions and frames {frames}")  # fmt: skip
    shape = demo[f"tracks/{VIEWS[0]}"].shape
    if shape[0] != len(steps) or shape[2:] != (HORIZON, 2):
        raise ValueError(f"{path}, {key}: tracks have shape {shape}, not [{len(steps)}, P, {HORIZON}, 2]")
    described = [name, data.attrs["language"], init_state, rendering, demo.attrs["sha256"]]
    digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()
    told = tuple(json.loads(data.attrs["landmark_sentences"]))
    return _Demo(path, key, name, str(data.attrs["language"]), told, init_state, steps, shape[1], rendering, digest)


def _digest(demos: Sequence[_Demo]) -> str:
    return hashlib.sha256("".join(demo.digest for demo in demos).encode()).hexdigest()


def _parts(demos: Sequence[_Demo]) -> tuple[tuple[str, slice], ...]:
    """Hash and windows of each file; `demos` file after file."""
    parts, start = [], 0
    for _, group in itertools.groupby(demos, key=lambda demo: demo.file):
        group = list(group)
        stop = start + sum(len(demo.render_steps) for demo in group)
        parts.append((_digest(group), slice(start, stop)))
        start = stop
    return tuple(parts)


def _check_same_rendering(demos: list[_Demo]) -> None:
    """One look a suite (each has assets of its own), one number of points for all."""
    firsts: dict[str, _Demo] = {}
    for demo in demos:
        first = firsts.setdefault(demo.suite, demo)
        for name, value in demo.rendering.items():
            if value != first.rendering[name]:
                raise ValueError(
                    f"{demo.file} and {first.file} differ in {name} ({value} and {first.rendering[name]}); "
                    "images of different looks must not be mixed"
                )
        if demo.points != demos[0].points:
            raise ValueError(f"{demo.file} has {demo.points} points a view, {demos[0].file} has {demos[0].points}")


def _allocate(total: int, points: int, told: int, images: bool, tracks: bool) -> dict[str, np.ndarray]:
    views, tracked = (len(VIEWS) if images else 0), (len(VIEWS) if tracks else 0)
    return {
        "images": np.empty((total, views, 128, 128, 3), np.uint8),
        "tracks": np.empty((total, tracked, points, HORIZON, 2), np.float16),
        "visible": np.empty((total, tracked, points, HORIZON), bool),
        "moving": np.empty((total, tracked, points), bool),
        "proprio": np.empty((total, 9), np.float32),
        "actions": np.empty((total, HORIZON, 7), np.float32),
        "landmarks": np.full((total, told, len(VIEWS), 2, 2), np.nan, np.float16),
        "told": np.full((total, told), -1, np.int64),
        "sentence": np.empty(total, np.int64),
        "demo": np.empty(total, np.int64),
        "init_state": np.empty(total, np.int64),
        "step": np.empty(total, np.int64),
    }
