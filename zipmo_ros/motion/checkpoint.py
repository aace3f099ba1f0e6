"""Checkpoints: a directory of config.json, model.safetensors and stats.json, loaded strictly.

config.json: {"format", "kind", "config", "meta"}; stats.json: what the model's `statistics()` returned. A bundle is a
directory of checkpoints: vae/, planner/, policy/ (and bc/). A model class has `kind` and
`config_class`, and takes its configuration.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from zipmo_ros.motion.config import from_dict, to_dict

FORMAT = 1
CONFIG, WEIGHTS, STATS = "config.json", "model.safetensors", "stats.json"
FILES = (WEIGHTS, STATS, CONFIG)

Model = TypeVar("Model", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that is incomplete, or does not fit the model; the message names the directory and what is wrong."""


def save(directory: str | Path, model: nn.Module, meta: dict[str, Any] | None = None) -> str:
    """Write `model` (weights, `model.config`, `model.statistics()` if it has any); returns the content hash.

    Every file is replaced atomically, config.json last: a reader never sees half a file. `meta` is free, JSON-ready
    information.
    """
    from safetensors.torch import save as to_bytes

    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    stats = model.statistics() if hasattr(model, "statistics") else {}
    description = {"format": FORMAT, "kind": model.kind, "config": to_dict(model.config), "meta": meta or {}}
    contents = {WEIGHTS: to_bytes(weights), STATS: _json(stats), CONFIG: _json(description)}
    for name in FILES:
        write_atomically(directory / name, contents[name])
    return content_hash(directory)


def load(directory: str | Path, model_class: type[Model], device: str | torch.device = "cpu") -> Model:
    """The saved model in eval mode. Raises CheckpointError naming what is missing, extra or misshapen."""
    from safetensors.torch import load_file

    directory = Path(directory)
    description = read_description(directory)
    if description["kind"] != model_class.kind:
        raise CheckpointError(f"{directory} holds a {description['kind']}, not a {model_class.kind}")
    try:
        config = from_dict(model_class.config_class, description["config"])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{directory}/{CONFIG}: {error}") from error
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


def read_description(directory: str | Path) -> dict[str, Any]:
    """config.json as it is: format, kind, config, meta."""
    directory = Path(directory)
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(f"{directory} is not a checkpoint: {', '.join(missing)} missing")
    description = _read_json(directory / CONFIG)
    absent = [key for key in ("format", "kind", "config") if key not in description]
    if absent:
        raise CheckpointError(f"{directory}/{CONFIG} lacks {', '.join(absent)}")
    if description["format"] != FORMAT:
        raise CheckpointError(f"{directory} has format {description['format']}; this version reads {FORMAT}")
    return _drawn_points(description)


def _drawn_points(description: dict[str, Any]) -> dict[str, Any]:
    """Autoencoders of format 1 say in `meta`, or not at all, how their points were drawn; their config has it now."""
    meta = description.get("meta", {})
    if description["kind"] == "vae" and "points_in" not in description["config"]:
        trained = meta.get("training", {}).get("stage", {})
        drawn = {"points_in": meta.get("points_in", 40), "moving_weight": trained.get("moving_weight", 7.0)}
        description["config"] |= drawn
    return description


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
    """SHA-256 over the checkpoint files below `directory`: of one checkpoint or of a whole bundle."""
    directory = Path(directory)
    files = sorted(path for path in directory.rglob("*") if path.name in FILES and path.is_file())
    if not files:
        raise CheckpointError(f"{directory} holds no checkpoint")
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(directory).as_posix()}\0".encode())
        digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()


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
