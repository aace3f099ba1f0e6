"""Draw on a frame: point tracks, blue where they start and red where they end; rings around places."""

import cv2
import numpy as np


def draw_tracks(image: np.ndarray, tracks: np.ndarray, scale: int = 4, least_motion: float = 0.0) -> np.ndarray:
    """The image, enlarged, with a line for every track.

    image: uint8 [H, W, 3] RGB, upright. tracks: [N, T, 2] (y, x) in [-1, 1]; may leave the frame; tracks with a number
    that is not finite are left out. scale: whole number of output pixels for each pixel. least_motion: tracks that
    travel less, in input pixels, are left out.
    Returns: uint8 [scale H, scale W, 3]; `image` is not changed.
    Raises: ValueError for other shapes.
    """
    tracks = np.asarray(tracks, np.float64)
    if image.ndim != 3 or image.shape[2] != 3 or tracks.ndim != 3 or tracks.shape[2] != 2:
        raise ValueError(f"need an image [H, W, 3] and tracks [N, T, 2], got {image.shape} and {tracks.shape}")
    height, width = image.shape[:2]
    canvas = cv2.resize(image, (width * scale, height * scale), interpolation=cv2.INTER_LINEAR)
    if tracks.shape[0] == 0 or tracks.shape[1] == 0:
        return canvas
    pixels = (tracks + 1) / 2 * (height * scale, width * scale) - 0.5
    travel = np.abs(pixels - pixels[:, :1]).max((1, 2)) / scale
    drawn = np.isfinite(pixels).all((1, 2)) & (travel >= least_motion)
    pixels = np.clip(pixels, -1e4, 1e4).round().astype(int)[drawn, :, ::-1]  # cv2 wants (x, y)
    colours = _blue_to_red(tracks.shape[1]).tolist()
    for step in range(1, tracks.shape[1]):
        for start, end in zip(pixels[:, step - 1].tolist(), pixels[:, step].tolist(), strict=True):
            cv2.line(canvas, start, end, colours[step], 1, cv2.LINE_AA)
    for start in pixels[:, 0].tolist():
        cv2.circle(canvas, start, 1, colours[0], -1, cv2.LINE_AA)
    return canvas


def draw_places(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The image with a ring around each place: yellow for the first, then white.

    image: uint8 [H, W, 3] RGB. places: [K, 2] (y, x) in [-1, 1]; those with a number that is not finite are left out.
    """
    canvas, size = image.copy(), np.array(image.shape[:2])
    for number, place in enumerate(places):
        if np.isfinite(place).all():
            row, column = np.clip((place + 1) / 2 * size - 0.5, -1e4, 1e4).round().astype(int).tolist()
            colour = (255, 220, 0) if number == 0 else (255, 255, 255)
            cv2.circle(canvas, (column, row), max(4, len(image) // 32), colour, 1, cv2.LINE_AA)
    return canvas


def _blue_to_red(count: int) -> np.ndarray:
    """int [count, 3] RGB."""
    share = np.linspace(0.0, 1.0, count)[:, None]
    return np.rint(255 * ((1 - share) * (0.1, 0.35, 1.0) + share * (1.0, 0.15, 0.1))).astype(int)
