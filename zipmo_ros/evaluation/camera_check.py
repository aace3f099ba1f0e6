"""A live camera beside the view that the models were trained on: laid over it, and what differs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from zipmo_ros.contract.camera import IMAGE_SIZE, CameraSpec, Orientation

CLEARLY = 0.1  # of correlation: so much better an orientation must fit than the one that is set, to be said


@dataclass(frozen=True)
class CameraCheck:
    """overlay: uint8 [size, size, 3], half live and half trained. fits: correlation of each orientation."""

    size: tuple[int, int]
    overlay: np.ndarray
    fits: dict[str, float]
    differences: tuple[str, ...]


def check_camera(image: np.ndarray, reference: np.ndarray, camera: CameraSpec) -> CameraCheck:
    """image: uint8 RGB [H, W, 3] as the camera delivers it. reference: uint8 RGB [size, size, 3], upright, as trained.

    Raises ValueError for an image of another size than the camera's.
    """
    seen = camera.to_model(image, reference.shape[0])
    fits = {}
    for orientation in get_args(Orientation):
        turned = _turned(image, camera, orientation)
        fits[orientation] = _correlation(turned.to_model(image, reference.shape[0]), reference)
    overlay = ((seen.astype(np.uint16) + reference) // 2).astype(np.uint8)
    return CameraCheck(image.shape[:2], overlay, fits, tuple(_differences(image, camera, fits)))


def _turned(image: np.ndarray, camera: CameraSpec, orientation: Orientation) -> CameraSpec:
    return replace(camera, orientation=orientation, size=camera.size and image.shape[:2])


def _differences(image: np.ndarray, camera: CameraSpec, fits: dict[str, float]) -> list[str]:
    height, width = image.shape[:2]
    found = []
    if camera.crop is None and height != width:
        found.append(
            f"images of {height} x {width} are squeezed into a square: set a crop (and size) for {camera.view}"
        )
    if min(height, width) < IMAGE_SIZE:
        found.append(f"images of {height} x {width} are smaller than the {IMAGE_SIZE} pixels that models look at")
    best = max(fits, key=lambda name: fits[name])
    if fits[best] - fits[camera.orientation] > CLEARLY:
        found.append(f"orientation '{best}' fits better ({fits[best]:.2f}) than '{camera.orientation}', which is set "
                     f"({fits[camera.orientation]:.2f})")  # fmt: skip
    if fits[best] < CLEARLY:
        found.append("no orientation fits: the camera stands elsewhere, or the scene is quite another one")
    return found


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of the brightness of two images [size, size, 3], coarsely: 0 unlike, 1 alike."""
    a, b = (_coarse(image) for image in (one, other))
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.sum(a * b)) / scale if scale > 0 else 0.0


def _coarse(image: np.ndarray, cells: int = 16) -> np.ndarray:
    edge = image.shape[0] - image.shape[0] % cells
    grey = image[:edge, :edge].mean(axis=2)
    blocks = grey.reshape(cells, edge // cells, cells, edge // cells).mean(axis=(1, 3))
    return blocks - blocks.mean()
