"""Where initial state i of a scene of `mini` puts things, drawn without the simulator."""

from __future__ import annotations

import numpy as np

GROCERIES = ("milk", "can", "bread")
BLOCKS = ("red", "green", "blue")
MAX_YAW = np.deg2rad(15)
_ROWS = {  # of what stands in a row: names, and their places' y, how far a thing may be off its place in x and y (m)
    "bins": (GROCERIES, -0.10, (-0.185, 0.0, 0.185), (0.03, 0.012)),
    "blocks": (BLOCKS, 0.0, (-0.15, 0.0, 0.15), (0.08, 0.02)),
}


def generator(scene: str, index: int) -> np.random.Generator:
    """Layouts depend on the scene and the index alone: tasks of a scene share them, so only the sentence differs."""
    return np.random.default_rng([*scene.encode(), index])


def row(scene: str, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, float]]:
    """Things in a row, from left to right: (x, y) in m and yaw of each. Empty for a scene without."""
    if scene not in _ROWS:
        return {}
    names, x, places, off = _ROWS[scene]
    return {
        str(name): (np.array([x, y]) + rng.uniform(np.negative(off), off), rng.uniform(-MAX_YAW, MAX_YAW))
        for name, y in zip(rng.permutation(list(names)), places, strict=True)
    }
