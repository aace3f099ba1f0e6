"""Checkpoints of format 1 as format 2, and weights in another precision.

Format 1 said in its free `meta`, or nowhere, how an autoencoder's points were drawn, and vouched for no file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.checkpoint import CONFIG, STATS, WEIGHTS, CheckpointError


def upgrade(directory: str | Path, out: str | Path | None = None, dtype: torch.dtype | None = None) -> list[Path]:
    """Write every checkpoint at or below `directory` as format 2, into `out` or in place; returns where they are.

    dtype: of the stored weights; None keeps them. What is in format 2 already stays as it is, but for that. Each file
    is replaced atomically, config.json last. Raises CheckpointError for what is no checkpoint of either format.
    """
    from safetensors.torch import load_file

    directory = Path(directory)
    found = sorted(path.parent for path in directory.rglob(CONFIG))
    if not found:
        raise CheckpointError(f"{directory} holds no checkpoint")
    targets = [Path(out or directory) / source.relative_to(directory) for source in found]
    for source, target in zip(found, targets, strict=True):
        description = read(source)
        contents = {name: (source / name).read_bytes() for name in (WEIGHTS, STATS)}
        if dtype is not None:
            contents[WEIGHTS] = checkpoint.weights_file(load_file(source / WEIGHTS), dtype)
        checkpoint.write(target, description["kind"], description["config"], contents, description["meta"])
    return targets


def read(directory: Path) -> dict[str, Any]:
    """kind, config and meta of a checkpoint of either format, as format 2 has them."""
    description = checkpoint.read_any_format(directory)
    if description.get("format") != 1:
        return checkpoint.read_description(directory)
    meta, config = dict(description["meta"]), description["config"]
    if description["kind"] == "vae":
        trained = meta.get("training", {}).get("stage", {})
        drawn = {"points_in": meta.pop("points_in", 40), "moving_weight": trained.get("moving_weight", 7.0)}
        config = {**drawn, **config}
    return {"kind": description["kind"], "config": config, "meta": meta}
