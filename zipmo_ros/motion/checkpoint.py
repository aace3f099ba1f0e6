"""Checkpoints: a directory of config.json, model.safetensors and stats.json, loaded strictly.

config.json: {"format", "kind", "config", "weights", "stats", "meta"}: the complete configuration, SHA-256 of the two
other files, and provenance, which nothing but people reads. stats.json: what the model's `statistics()` returned. A
bundle is a directory of checkpoints: vae/, planner/, policy/ (and bc/). A model class has `kind` and `config_class`,
and takes its configuration.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from zipmo_ros.motion.config import from_dict, to_dict

FORMAT = 2
CONFIG, WEIGHTS, STATS = "config.json", "model.safetensors", "stats.json"
FILES = (WEIGHTS, STATS, CONFIG)
HASHED = {"weights": WEIGHTS, "stats": STATS}  # key of config.json: file whose SHA-256 it is

Model = TypeVar("Model", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that is incomplete, or does not fit the model; the message names the directory and what is wrong."""


def save(
    directory: str | Path, model: nn.Module, meta: dict[str, Any] | None = None, dtype: torch.dtype = torch.float32
) -> str:
    """Write `model` (weights, `model.config`, `model.statistics()` if it has any); returns the content hash.

    Every file is replaced atomically, config.json last: a reader never sees half a file, and one that comes between
    is told that they do not belong together. `meta` is JSON-ready provenance; nothing that inference needs may be in
    it. dtype: of the weights in the file; a loaded model has float32 again.
    """
    stats = model.statistics() if hasattr(model, "statistics") else {}
    contents = {WEIGHTS: weights_file(model.state_dict(), dtype), STATS: _json(stats)}
    write(directory, model.kind, to_dict(model.config), contents, meta or {})
    return content_hash(directory)


def weights_file(weights: Mapping[str, Tensor], dtype: torch.dtype) -> bytes:
    """A safetensors file of weights, the floating-point ones as `dtype`."""
    from safetensors.torch import save as to_bytes

    def stored(value: Tensor) -> Tensor:
        return (value.to(dtype) if value.is_floating_point() else value).detach().cpu().contiguous()

    return to_bytes({key: stored(value) for key, value in weights.items()})


def write(directory: str | Path, kind: str, config: dict, contents: Mapping[str, bytes], meta: dict) -> None:
    """Write a checkpoint of plain parts; `contents` are those of WEIGHTS and STATS."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    hashes = {key: hashlib.sha256(contents[name]).hexdigest() for key, name in HASHED.items()}
    description = {"format": FORMAT, "kind": kind, "config": config, **hashes, "meta": meta}
    for name, content in {**contents, CONFIG: _json(description)}.items():
        write_atomically(directory / name, content)


def load(directory: str | Path, model_class: type[Model], device: str | torch.device = "cpu") -> Model:
    """The saved model in eval mode, its parameters in float32 however they are stored.

    Raises CheckpointError naming the file that is not the one config.json tells of, and what is missing, extra or
    misshapen.
    """
    from safetensors.torch import load_file

    directory = Path(directory)
    description, config = read_description(directory), read_config(directory, model_class)
    for key, name in HASHED.items():
        if sha256(directory / name) != description[key]:
            raise CheckpointError(f"{directory / name} is damaged, or not the file that {CONFIG} was written with")
    model = model_class(config)
    try:
        weights = load_file(directory / WEIGHTS)
    except Exception as error:
        raise CheckpointError(f"{directory}/{WEIGHTS} cannot be read: {error}") from error
    load_strictly(model, weights, str(directory))
    stats = _read_json(directory / STATS)
    if hasattr(model, "set_statistics"):
        try:
            model.set_statistics(**stats)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{directory}/{STATS}: {error}") from error
    return model.to(device).eval()


def read_config(directory: str | Path, model_class: type[nn.Module]) -> Any:
    """The configuration, a `model_class.config_class`, without the weights. Raises CheckpointError."""
    description = read_description(directory)
    if description["kind"] != model_class.kind:
        raise CheckpointError(f"{directory} holds a {description['kind']}, not a {model_class.kind}")
    try:
        return from_dict(model_class.config_class, description["config"])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{directory}/{CONFIG}: {error}") from error


def read_description(directory: str | Path) -> dict[str, Any]:
    """config.json as it is: format, kind, config, the hashes of HASHED, meta. Raises CheckpointError."""
    directory = Path(directory)
    description = read_any_format(directory)
    found = description.get("format")
    if found != FORMAT:
        way = f"; convert it with `zipmo interop upgrade {directory}`" if found == 1 else ""
        raise CheckpointError(f"{directory} has format {found}; this version reads {FORMAT}{way}")
    absent = [key for key in ("kind", "config", *HASHED, "meta") if key not in description]
    if absent:
        raise CheckpointError(f"{directory}/{CONFIG} lacks {', '.join(absent)}")
    return description


def read_any_format(directory: Path) -> dict[str, Any]:
    """config.json of any format. Raises CheckpointError where one of the files is missing, or it is not JSON."""
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(f"{directory} is not a checkpoint: {', '.join(missing)} missing")
    return _read_json(directory / CONFIG)


def numbers(directory: str | Path) -> int:
    """How many numbers its weights are, without reading them. Raises CheckpointError."""
    from safetensors import safe_open

    read_description(directory)
    with safe_open(Path(directory) / WEIGHTS, "np") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118


def load_strictly(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """load_state_dict that names every missing, extra and misshapen key at once, and their `source`."""
    check_layout({key: tuple(value.shape) for key, value in model.state_dict().items()}, weights, source)
    model.load_state_dict(weights, strict=True)


def check_layout(expected: dict[str, tuple[int, ...]], weights: dict[str, Tensor], source: str) -> None:
    """Raises CheckpointError unless `weights` has exactly the expected keys and shapes."""
    problems = []
    if missing := sorted(set(expected) - set(weights)):
        problems.append(f"missing {_some(missing)}")
    if extra := sorted(set(weights) - set(expected)):
        problems.append(f"extra {_some(extra)}")
    shared = sorted(set(expected) & set(weights))
    wrong = [
        f"{key} is {list(weights[key].shape)}, not {list(expected[key])}"
        for key in shared
        if tuple(weights[key].shape) != expected[key]
    ]
    if wrong:
        problems.append(f"misshapen {_some(wrong)}")
    if problems:
        raise CheckpointError(f"{source} does not fit the model: {'; '.join(problems)}")


def content_hash(directory: str | Path) -> str:
    """SHA-256 of what a checkpoint or a bundle computes: place, kind, config and hashes of each one below `directory`.

    Result files and cards quote it. `meta` is left out, so better words about where a model comes from do not change
    it. config.json is believed here; `load` holds the files against it.
    """
    directory = Path(directory)
    folders = sorted(path.parent for path in directory.rglob(CONFIG))
    if not folders:
        raise CheckpointError(f"{directory} holds no checkpoint")
    identity = {}
    for folder in folders:
        description = read_description(folder)
        identity[folder.relative_to(directory).as_posix()] = [description[k] for k in ("kind", "config", *HASHED)]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error


def _some(names: list[str], limit: int = 8) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
