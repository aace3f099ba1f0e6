"""Films of the loop at work: both cameras and the plan, with a caption below; MP4 files, and a GIF for web pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

PANEL = 320  # pixels of a panel's side
CAPTION = 56  # pixels of the caption's height
_WHITE, _GREY = (255, 255, 255), (170, 170, 170)


def compose(panels: Mapping[str, np.ndarray], caption: str, status: str) -> np.ndarray:
    """One video frame: panels {title: uint8 RGB [H, W, 3]} side by side, over two lines of text.

    Returns uint8 RGB [PANEL + CAPTION, number of panels * PANEL, 3].
    """

    def panel(image: np.ndarray, title: str) -> np.ndarray:
        scaled = cv2.resize(image, (PANEL, PANEL), interpolation=cv2.INTER_CUBIC)
        (width, height), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        cv2.rectangle(scaled, (0, 0), (width + 12, height + 12), (0, 0, 0), cv2.FILLED)
        return cv2.putText(scaled, title, (6, height + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _WHITE, 1, cv2.LINE_AA)

    drawn = np.concatenate([panel(image, title) for title, image in panels.items()], axis=1)
    text = np.zeros((CAPTION, drawn.shape[1], 3), np.uint8)
    cv2.putText(text, caption, (10, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _WHITE, 1, cv2.LINE_AA)
    cv2.putText(text, status, (10, 45), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _GREY, 1, cv2.LINE_AA)
    return np.concatenate([drawn, text])


def write_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    """Encode frames (uint8 RGB, one even size) as H.264, which browsers play; the file appears when it is whole."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "20"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is None:
            raise ValueError(f"no frames for {path}")
        container.mux(stream.encode(None))
    partial.replace(path)


def write_gif(path: Path, frames: Iterable[np.ndarray], fps: int = 10, width: int = 640, colours: int = 64) -> None:
    """Write frames (uint8 RGB [H, W, 3], at least one) as an endless GIF of this width; it appears when it is whole."""
    images = [Image.fromarray(frame) for frame in frames]
    if not images:
        raise ValueError(f"no frames for {path}")
    size = width, round(images[0].height * width / images[0].width)
    palette = images[len(images) // 2].resize(size).quantize(colours)  # one for all, so that still parts stay still
    small = [image.resize(size).quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.gif")
    small[0].save(partial, save_all=True, append_images=small[1:], duration=round(1000 / fps), loop=0, optimize=True)
    partial.replace(path)
