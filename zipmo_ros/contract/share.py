"""Where the package's shared files are: the source tree, or share/zipmo_ros of an installation."""

from __future__ import annotations

import sys
from pathlib import Path

# Bundles of vae/, planner/ and policy/ below checkpoints/, and the suites that each was trained on.
SHIPPED = {
    "nano-mini": ("mini",),
    "nano-libero-object": ("libero_object", "libero_object_mixed"),
    "nano-libero-spatial": ("libero_spatial",),
}


def share_path(relative: str) -> Path:
    """Path of a shared file or folder, such as "config/ros/planner.yaml".

    Raises FileNotFoundError, naming the places that were looked at.
    """
    package = Path(__file__).resolve().parents[1]
    # source tree; `pip install` into a prefix; `colcon build` (install/zipmo_ros/lib/python3.x/site-packages/zipmo_ros)
    roots = [package.parent, Path(sys.prefix) / "share/zipmo_ros", *(p / "share/zipmo_ros" for p in package.parents)]
    for root in roots:
        if (root / relative).exists():
            return root / relative
    looked = "\n  ".join(str(root / relative) for root in roots[:2])
    raise FileNotFoundError(f"the shared file '{relative}' of zipmo_ros is missing; looked at\n  {looked}")


def shipped_for(suite: str) -> str:
    """Name of the shipped bundle that knows a suite. Raises ValueError, naming all of them, where none does."""
    for name, suites in SHIPPED.items():
        if suite in suites:
            return name
    known = "; ".join(f"{name}: {', '.join(suites)}" for name, suites in SHIPPED.items())
    raise ValueError(f"no shipped checkpoint was trained on '{suite}' (there are {known}): name one with checkpoint=")


def bundle_path(named: str | Path | None, suite: str = "mini") -> Path:
    """A bundle: of a directory, of a shipped one's name, or (None, "") the one shipped for a suite.

    Raises FileNotFoundError for a directory that is not there, ValueError for a suite that no shipped one knows.
    """
    if not named or str(named) in SHIPPED:
        return share_path(f"checkpoints/{named or shipped_for(suite)}")
    if not Path(named).is_dir():
        shipped = ", ".join(SHIPPED)
        raise FileNotFoundError(f"there is no checkpoint directory '{named}', and those shipped are {shipped}")
    return Path(named)
