"""Planned tracks as a message that numpy, Foxglove and RViz can read."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField

from zipmo_ros.nodes.wire.messages import to_stamp

FIELDS = ("x", "y", "z", "t")  # see tracks_message
_DTYPE = np.dtype([(name, "<f4") for name in FIELDS])


def tracks_message(tracks: np.ndarray, stamp_ns: int, period_ns: int, frame_id: str) -> PointCloud2:
    """Tracks [V, N, T, 2] (y, x) in [-1, 1] -> a cloud of T columns, and a row for each track, view after view.

    x: to the right and y: down in the image, in [-1, 1]. z: number of the view. t: seconds after the stamp, which is
    that of the images that the tracks start in.
    """
    views, points, steps = tracks.shape[:3]
    cloud = np.empty((views, points, steps), _DTYPE)
    cloud["y"], cloud["x"] = tracks[..., 0], tracks[..., 1]
    cloud["z"] = np.arange(views)[:, None, None]
    cloud["t"] = np.arange(steps) * period_ns / 1e9
    message = PointCloud2(height=views * points, width=steps, is_dense=bool(np.isfinite(tracks).all()))
    message.header.stamp, message.header.frame_id = to_stamp(stamp_ns), frame_id
    message.fields = [
        PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
        for place, name in enumerate(FIELDS)
    ]
    message.point_step, message.row_step = _DTYPE.itemsize, _DTYPE.itemsize * steps
    message.data = array.array("B", cloud.tobytes())
    return message


def read_tracks(message: PointCloud2) -> np.ndarray:
    """Tracks float32 [V, N, T, 2] of such a message. Raises ValueError for a cloud of other fields or sizes."""
    names = tuple(field.name for field in message.fields)
    size = message.height * message.width * _DTYPE.itemsize
    if names != FIELDS or len(message.data) != size or not size or message.is_bigendian:
        raise ValueError(f"no tracks: fields {', '.join(names)}, {message.height} x {message.width} points, "
                         f"{len(message.data)} bytes")  # fmt: skip
    cloud = np.frombuffer(message.data, _DTYPE).reshape(message.height, message.width)
    views = 1 + int(cloud["z"].max())
    if message.height % views:
        raise ValueError(f"no tracks: {message.height} rows of {views} views")
    return np.stack([cloud["y"], cloud["x"]], axis=-1).reshape(views, -1, message.width, 2)
