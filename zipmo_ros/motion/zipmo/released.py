"""From the reference's released files to a bundle of ours, and files with their layout to try that with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zipmo_ros.motion.checkpoint import CheckpointError, check_layout, save
from zipmo_ros.motion.zipmo.golden import redraw
from zipmo_ros.motion.zipmo.interop import LAYOUTS, Layout, MakePolicy, key_table, layout_of, read_weights

PARTS = ("vae", "planner", "policy")  # of a bundle


@dataclass(frozen=True)
class ReleasedFile:
    """A file with exactly the keys and shapes of its layout, of LAYOUTS. Weights lie on disk until they are used."""

    path: Path
    layout: str
    weights: Mapping[str, Tensor]

    @classmethod
    def read(cls, path: str | Path, policy: MakePolicy) -> ReleasedFile:
        """Raises CheckpointError naming every key that does not fit, or where it is none of the released files."""
        weights, path = read_weights(path)
        name = layout_of(weights, path)
        layout = LAYOUTS[name]
        parts = _shapes(layout, policy)
        table = key_table(parts, layout.prefixes)
        expected = {theirs: tuple(parts[part].state_dict()[ours].shape) for theirs, (part, ours) in table.items()}
        check_layout(expected, dict(weights), str(path))
        return cls(path, name, weights)

    def part(self, name: str, policy: MakePolicy) -> dict[str, Tensor]:
        """The weights of one of its parts, by our names."""
        layout = LAYOUTS[self.layout]
        table = key_table({name: _shapes(layout, policy)[name]}, {name: layout.prefixes[name]})
        return {ours: self.weights[theirs] for theirs, (_, ours) in table.items()}

    def model(self, name: str, policy: MakePolicy) -> nn.Module:
        """One of its parts, in float32 and eval mode."""
        model = LAYOUTS[self.layout].part(name, policy)
        weights = {key: value.float() for key, value in self.part(name, policy).items()}
        model.load_state_dict(weights, strict=True, assign=True)
        return model.eval()


def convert(
    files: Sequence[str | Path], out: str | Path, policy: MakePolicy, licence: str, parts: Sequence[str] = PARTS
) -> dict[str, ReleasedFile]:
    """Write OUT/vae, OUT/planner and OUT/policy, or those of `parts`, whole or not at all; returns the file of each.

    Raises CheckpointError for files that don't fit, lack a part, are of different variants or disagree on a part, and
    FileExistsError where `out` is there.
    """
    out = Path(out)
    if out.exists():
        raise FileExistsError(f"{out} is there already: name another folder")
    released = [ReleasedFile.read(path, policy) for path in files]
    _check_variant(released)
    sources = {part: _source(part, released, policy) for part in parts}
    with _whole_or_not(out) as folder:
        for part, source in sources.items():  # one at a time: together they take twice the memory
            save(folder / part, source.model(part, policy), {"source": source.path.name, "licence": licence})
    return sources


def write_random(path: str | Path, layout: str, policy: MakePolicy, seed: int) -> None:
    """A file of this layout, of LAYOUTS, with drawn weights: what goes through with it goes through with the released
    one. Raises FileExistsError where it is there.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} is there already: name another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Tensor] = {}
    for name, prefix in LAYOUTS[layout].prefixes.items():
        drawn |= redraw(seed, layout, {name: LAYOUTS[layout].part(name, policy)}, {name: prefix})
    save_file(drawn, path)


def _shapes(layout: Layout, policy: MakePolicy) -> dict[str, nn.Module]:
    with torch.device("meta"):
        return layout.parts(policy)


def _check_variant(released: Sequence[ReleasedFile]) -> None:
    planners = {file.path: file.layout for file in released if LAYOUTS[file.layout].planner}
    if len({LAYOUTS[name].planner for name in planners.values()}) > 1:
        told = ", ".join(f"{path} is a {name}" for path, name in planners.items())
        raise CheckpointError(f"these files are of different variants, and make no bundle together: {told}")


def _source(part: str, released: Sequence[ReleasedFile], policy: MakePolicy) -> ReleasedFile:
    """The file that a part is taken from."""
    holders = [file for file in released if part in LAYOUTS[file.layout].prefixes]
    if not holders:
        given = ", ".join(f"{file.path} ({file.layout})" for file in released)
        needed = ", ".join(layout.file for layout in LAYOUTS.values() if part in layout.prefixes)
        raise CheckpointError(f"there is no {part} in {given}: name one of {needed}, or other --parts")
    first, *others = holders
    weights = first.part(part, policy)
    for other in others:
        if any(not torch.equal(value, weights[key]) for key, value in other.part(part, policy).items()):
            raise CheckpointError(
                f"{first.path} and {other.path} hold a {part} each, not the same one: name one of them"
            )
    return first


@contextmanager
def _whole_or_not(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `out` in one step when all went well."""
    folder = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    folder.mkdir(parents=True)
    try:
        yield folder
        os.rename(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
