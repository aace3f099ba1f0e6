"""One image of a camera."""

from __future__ import annotations

import os
import time

import numpy as np
import rclpy
from sensor_msgs.msg import CompressedImage, Image

from zipmo_ros.nodes.wire import messages, topics


def snapshot(view: str, transport: str, namespace: str = "", timeout: float = 5.0) -> np.ndarray:
    """The next image of a view, uint8 RGB [H, W, 3]. Raises TimeoutError where none comes, ValueError for no image."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(args=[])
    node = rclpy.create_node("zipmo_check", namespace=namespace)
    try:
        heard: list[Image | CompressedImage] = []
        kind = Image if transport == "raw" else CompressedImage
        topic = topics.image_topic(view, transport)
        node.create_subscription(kind, topic, heard.append, topics.SENSOR)
        deadline = time.monotonic() + timeout
        while not heard:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no image on {node.resolve_topic_name(topic)} for {timeout:g} s")
            rclpy.spin_once(node, timeout_sec=0.05)
        return messages.read_image(heard[0]).copy()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
