"""A camera, and how its images become what the models look at: images one way, points both ways.

Points are (y, x) in [-1, 1] over the height and width of an image, from edge to edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

IMAGE_SIZE = 128  # pixels a side of what the models look at; errors in px are of such images
Orientation = Literal["upright", "vflip", "rot180"]
_SIGNS = {"upright": (1, 1), "vflip": (-1, 1), "rot180": (-1, -1)}  # of (y, x)


@dataclass(frozen=True)
class CameraSpec:
    """One view. size: (height, width) in pixels as delivered; None: any. orientation: how its images arrive.

    simulated: name of the camera in the simulator. crop: (top, left, height, width) in pixels of the upright image
    that the models see; None: all of it. Raises ValueError for what is impossible.
    """

    view: str
    simulated: str = ""
    size: tuple[int, int] | None = None
    orientation: Orientation = "upright"
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.orientation not in get_args(Orientation):
            known = ", ".join(get_args(Orientation))
            raise ValueError(f"camera {self.view}: orientation must be one of {known}, got '{self.orientation}'")
        for name in ("size", "crop"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(given))
        if self.crop is not None:
            top, left, height, width = self.crop
            if self.size is None:
                raise ValueError(f"camera {self.view}: a crop needs the size that it is of")
            if (
                min(top, left) < 0
                or min(height, width) < 1
                or top + height > self.size[0]
                or left + width > self.size[1]
            ):
                raise ValueError(f"camera {self.view}: crop {self.crop} does not lie within an image of {self.size}")

    def to_model(self, image: np.ndarray, size: int = IMAGE_SIZE) -> np.ndarray:
        """uint8 RGB [H, W, 3] as delivered -> upright, cropped, uint8 [size, size, 3]; the same array if it is so.

        Raises ValueError for an image of another size than the camera's.
        """
        if self.size is not None and image.shape[:2] != self.size:
            raise ValueError(f"image is {image.shape[0]} x {image.shape[1]}, expected {self.size[0]} x {self.size[1]}")
        down, right = _SIGNS[self.orientation]
        if (down, right) != (1, 1):
            image = image[::down, ::right]
        if self.crop is not None:
            top, left, height, width = self.crop
            image = image[top : top + height, left : left + width]
        if image.shape[:2] == (size, size):
            return np.ascontiguousarray(image)
        import cv2  # a robot whose cameras already give this size need not have it

        shrinks = min(image.shape[:2]) >= size
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return cv2.resize(np.ascontiguousarray(image), (size, size), interpolation=how)

    def points_to_model(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 2] of the image as delivered -> of what the models see; may leave [-1, 1]."""
        scale, shift = self._crop()
        return (points * np.array(_SIGNS[self.orientation]) - shift) / scale

    def points_to_camera(self, points: np.ndarray) -> np.ndarray:
        """Inverse of points_to_model."""
        scale, shift = self._crop()
        return (points * scale + shift) * np.array(_SIGNS[self.orientation])

    def _crop(self) -> tuple[np.ndarray, np.ndarray]:
        """Half extent and middle of the crop, in units of the upright image."""
        if self.crop is None or self.size is None:
            return np.ones(2), np.zeros(2)
        corner, extent, size = np.array(self.crop[:2]), np.array(self.crop[2:]), np.array(self.size)
        return extent / size, (2 * corner + extent) / size - 1
