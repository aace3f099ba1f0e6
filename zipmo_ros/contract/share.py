"""Where the package's shared files are: the source tree, or share/zipmo_ros of an installation."""

from __future__ import annotations

import sys
from pathlib import Path


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
