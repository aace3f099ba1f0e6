"""Images as a worse camera would give them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_sim.perturbations.draw import Draw

NOISE = 24.0  # standard deviation, of 255
BLUR = 1.6 / IMAGE_SIZE  # of the image's height


def noisy(image: np.ndarray, draw: Draw) -> np.ndarray:
    """uint8 [H, W, 3] with noise of its own in every pixel."""
    noise = draw.rng.normal(0.0, NOISE * draw.strength, image.shape)
    return np.round(image + noise).clip(0, 255).astype(np.uint8)


def blurred(image: np.ndarray, draw: Draw) -> np.ndarray:
    """uint8 [H, W, 3] out of focus."""
    sigma = BLUR * draw.strength * len(image)
    return gaussian_filter(image, (sigma, sigma, 0))
