"""Places on the wire where messages can be tampered with on their way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

Tamper = Callable[[Any], Iterable[Any]]  # what comes -> what goes on, in order
DIVERTED = "untouched"  # namespace of what a relay takes from a node, before it goes to the others


class Tap:
    """A publisher. tamper: what is done to its messages; None: nothing. newest: what came last, untouched."""

    def __init__(self, publisher: Publisher):
        self._publisher = publisher
        self.tamper: Tamper | None = None
        self.newest: Any = None

    def publish(self, message: Any) -> None:
        """Publish what is left of the message."""
        self.newest = message
        for changed in (message,) if self.tamper is None else self.tamper(message):
            self._publisher.publish(changed)


def relay(node: Node, kind: type, topic: str, qos: QoSProfile) -> Tap:
    """Takes a topic from the node whose output is diverted, and gives it to the others."""
    tap = Tap(node.create_publisher(kind, topic, qos))
    node.create_subscription(kind, f"{DIVERTED}/{topic}", tap.publish, qos)
    return tap


def diverted(*topics: str) -> list[str]:
    """Arguments of a node whose output on these topics a relay takes."""
    words = ["--ros-args"]
    for topic in topics:
        words += ["-r", f"{topic}:={DIVERTED}/{topic}"]
    return words
