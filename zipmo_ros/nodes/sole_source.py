"""One publisher a topic, of the right type: whom to listen to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rclpy.node import Node

from zipmo_ros.nodes.diagnostics import StatusReport

if TYPE_CHECKING:  # rclpy has it from Kilted on
    from rclpy.subscription import MessageInfo


class SoleSource:
    """Keeps to the publisher of a topic that it heard first, and calls a second one an error.

    A publisher that is gone, or has been silent for `PATIENCE` seconds, loses its place: a node that was killed and
    started again is heard without waiting until the middleware has forgotten the dead one. A publisher of another
    message type is never heard at all; check() names it.
    """

    PATIENCE = 2.0

    def __init__(self, node: Node, report: StatusReport, topic: str, kind: type):
        self._node = node
        self._report = report
        self._topic = topic
        self._type = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        self._heard: bytes | None = None
        self._at = 0.0
        self._refused_at = -self.PATIENCE

    def accepts(self, info: MessageInfo) -> bool:
        """Whether a message with this info comes from the publisher to listen to."""
        gid = info.get("publisher_gid")
        if gid is None:  # rclpy before Kilted does not say who published: refuse both
            accepted = self._node.count_publishers(self._node.resolve_topic_name(self._topic)) <= 1
        else:
            now = time.monotonic()
            free = self._heard is None or now - self._at > self.PATIENCE
            accepted = free or self._heard == gid["data"] or self._heard not in self._present()
            if accepted:
                self._heard, self._at = gid["data"], now
        if not accepted:
            self._refused_at = time.monotonic()
            self.check()
        return accepted

    def _present(self) -> dict[bytes, str]:
        """The publishers that the middleware knows now: identity -> node."""
        infos = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(self._topic))
        return {bytes(info.endpoint_gid): f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos}

    def check(self) -> None:
        """Set or clear the standing problems."""
        topic = self._node.resolve_topic_name(self._topic)
        strangers = [
            f"{info.node_name} publishes {info.topic_type}"
            for info in self._node.get_publishers_info_by_topic(topic)
            if info.topic_type != self._type
        ]
        wrong = f"{topic} must carry {self._type}, but {', '.join(strangers)}" if strangers else None
        self._report.problem(f"type of {self._topic}", wrong)
        self._report.problem(f"publishers of {self._topic}", self.rivals())

    def rivals(self) -> str | None:
        """Who else publishes, where somebody has been refused of late."""
        if time.monotonic() - self._refused_at >= self.PATIENCE:
            return None
        names, topic = list(self._present().values()), self._node.resolve_topic_name(self._topic)
        return f"{len(names)} publishers on {topic} ({', '.join(names)}); only the first one heard is listened to"
