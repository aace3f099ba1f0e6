"""Textures made by code: each a field [size, size] in [0, 1], to mix two colours by.

A family has rules of its own: what is reported comes from rules that training does not know.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from zipmo_sim.perturbations.draw import Family

SIZE = 256
Rule = Callable[[np.random.Generator], np.ndarray]


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """y and x of pixels, in [0, 1)."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    return y, x


def _smooth_noise(rng: np.random.Generator, scale: float) -> np.ndarray:
    """Noise of patches of about `scale` of the side, in [0, 1]."""
    blurred = gaussian_filter(rng.standard_normal((SIZE, SIZE)), scale * SIZE, mode="wrap")
    return (blurred - blurred.min()) / np.ptp(blurred)


def _slanted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two coordinates at right angles, turned at random."""
    y, x = _grid()
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def stripes(rng: np.random.Generator) -> np.ndarray:
    along, _ = _slanted(rng)
    return 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(4, 16) * along)


def checks(rng: np.random.Generator) -> np.ndarray:
    count = rng.uniform(4, 14)
    first, second = _slanted(rng)
    return ((np.floor(count * first) + np.floor(count * second)) % 2).astype(float)


def clouds(rng: np.random.Generator) -> np.ndarray:
    return _smooth_noise(rng, rng.uniform(0.01, 0.06))


def bricks(rng: np.random.Generator) -> np.ndarray:
    """Rows shifted by half a brick, with joints between them."""
    y, x = _grid()
    rows = rng.integers(6, 14)
    row = np.floor(y * rows)
    across = x * rows / 2 + 0.5 * (row % 2)
    edge = np.minimum(np.abs(across % 1 - 0.5), np.abs(y * rows % 1 - 0.5))
    return np.where(edge > 0.44, 0.0, 0.6 + 0.4 * np.sin(37 * np.floor(across) + 91 * row))


def grain(rng: np.random.Generator) -> np.ndarray:
    """Rings around a point outside, bent: a plank."""
    along, across = _slanted(rng)
    bend = 0.08 * _smooth_noise(rng, 0.08)
    rings = np.hypot(0.15 * (along + rng.uniform(0.5, 1.5)), across - 0.5) + bend
    return 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(10, 25) * rings)


def cells(rng: np.random.Generator) -> np.ndarray:
    """Stones: each point as light as the nearest of some centres is, dark between two."""
    y, x = _grid()
    centres = rng.uniform(0, 1, (rng.integers(40, 120), 2))
    distances = np.stack([np.hypot(y - cy, x - cx) for cy, cx in centres])
    first, second = np.partition(distances, 1, axis=0)[:2]
    shades = rng.uniform(0.3, 1.0, len(centres))[distances.argmin(0)]
    return np.where(second - first < 0.008, 0.0, shades)


RULES: Mapping[Family, tuple[Rule, ...]] = {
    "training": (stripes, checks, clouds),
    "development": (bricks,),
    "test": (grain, cells),
}
