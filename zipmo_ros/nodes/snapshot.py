"""One image of a camera."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from zipmo_ros.nodes.session import session
from zipmo_ros.nodes.wire import messages, topics


def snapshot(view: str, transport: str, namespace: str = "", timeout: float = 5.0) -> np.ndarray:
    """The next image of a view, uint8 RGB [H, W, 3]. Raises TimeoutError where none comes, ValueError for no image."""
    heard: list[Image | CompressedImage] = []
    kind = Image if transport == "raw" else CompressedImage
    topic = topics.image_topic(view, transport)
    with session("zipmo_check", namespace) as here:
        here.node.create_subscription(kind, topic, heard.append, topics.SENSOR)
        if not here.until(lambda: heard, timeout):
            raise TimeoutError(f"no image on {here.node.resolve_topic_name(topic)} for {timeout:g} s")
        return messages.read_image(heard[0]).copy()
