"""What the commands use when nothing else is named."""

from pathlib import Path

from zipmo_ros.share import share_path


def default_checkpoint() -> Path:
    """The shipped bundle (vae/, planner/, policy/). Raises FileNotFoundError where none was installed."""
    return share_path("checkpoints/nano-mini")
