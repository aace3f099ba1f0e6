"""The image encoder that a stage starts from."""

from __future__ import annotations

from pathlib import Path

from zipmo_ros.motion import checkpoint
from zipmo_ros.motion.conv_encoder import ConvEncoder
from zipmo_ros.motion.zipmo.planner import MotionPlanner


def load_encoder(directory: Path | str) -> ConvEncoder:
    """Of a checkpoint of the grounding stage, or the one inside a planner. Raises CheckpointError for anything else."""
    if checkpoint.read_description(directory)["kind"] != MotionPlanner.kind:
        return checkpoint.load(directory, ConvEncoder)
    encoder = checkpoint.load(directory, MotionPlanner).image_encoder
    if not isinstance(encoder, ConvEncoder):
        raise checkpoint.CheckpointError(f"the planner of {directory} has no image encoder that is trained here")
    return encoder
