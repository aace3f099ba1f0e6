"""What a perturbation is drawn with.

Of whatever comes in families (textures, hues, directions of light, distractors) there are three that share nothing:
training's own; development's, to choose settings by; and test's, which is reported and serves nothing else.
"""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zipmo_ros.contract.splits import EVALUATION
from zipmo_sim.perturbations.subject import Perturbable

Family = Literal["training", "development", "test"]
Sectors = tuple[tuple[float, float], ...]
"""Degrees, (from, to), the lower first."""


def family_of(init_state: int) -> Family:
    """Episodes that figures come from have instances of their own."""
    return "test" if init_state in EVALUATION else "development"


@dataclass(frozen=True)
class Draw:
    """What an instance is drawn with: for one episode (or one look of a demonstration), in the scene of `subject`.

    strength: 1 is the strongest that is reported; training goes farther.
    """

    rng: np.random.Generator
    strength: float
    family: Family
    subject: Perturbable

    def sign(self) -> float:
        """1 or -1."""
        return float(self.rng.choice((-1.0, 1.0)))

    def direction(self) -> np.ndarray:
        """A unit vector [3], uniformly."""
        vector = self.rng.standard_normal(3)
        return vector / np.linalg.norm(vector)

    def angle(self, sectors: Mapping[Family, Sectors]) -> float:
        """Degrees, uniformly in the family's sectors."""
        edges = np.array(sectors[self.family])
        widths = edges[:, 1] - edges[:, 0]
        chosen = self.rng.choice(len(edges), p=widths / widths.sum())
        return float(self.rng.uniform(*edges[chosen]))


def colour(hue: float, saturation: float, value: float) -> np.ndarray:
    """RGB [3] in [0, 1]. hue: degrees."""
    return np.array(colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value))
