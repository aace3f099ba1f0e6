"""The cameras of a robot: images of one stamp, as the models look at them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.pairing import Pairing
from zipmo_ros.runtime.watchdog import Watchdog

TIMEOUT = 2.0  # s of silence of one camera, while another delivers, until it counts as missing


class Cameras:
    """Subscribes to every view, and hands on what all of them show at one stamp.

    on_images: (stamp in ns, {view: uint8 [size, size, 3]}). size: pixels a side of what the model looks at.
    """

    def __init__(
        self,
        node: ManagedNode,
        robot: RobotSpec,
        transport: str,
        on_images: Callable[[int, dict[str, np.ndarray]], None],
    ):
        self._robot, self._on_images = robot, on_images
        self.size = IMAGE_SIZE
        self._pairing = Pairing(robot.views, depth=4)  # views may run ahead of one another
        self._watchdogs = {view: Watchdog(topics.image_topic(view, transport), TIMEOUT) for view in robot.views}
        kind = Image if transport == "raw" else CompressedImage
        for view in robot.views:
            topic = topics.image_topic(view, transport)
            node.subscribe(kind, topic, partial(self._on_image, view), topics.SENSOR)

    def reset(self) -> None:
        """Forget what was seen."""
        self._pairing.reset()
        for watchdog in self._watchdogs.values():
            watchdog.reset()

    def problem(self) -> str | None:
        """Which camera is silent while another is not. With all of them silent nothing is asked of anybody."""
        stale = [text for watchdog in self._watchdogs.values() if (text := watchdog.problem())]
        return stale[0] if 0 < len(stale) < len(self._watchdogs) else None

    def _on_image(self, view: str, message: Image | CompressedImage) -> None:
        stamp_ns = messages.to_ns(message.header.stamp)
        image = self._robot.camera(view).to_model(messages.read_image(message), self.size)
        self._watchdogs[view].feed()
        images = self._pairing.add(view, stamp_ns, image)
        if images is not None:
            self._on_images(stamp_ns, images)
