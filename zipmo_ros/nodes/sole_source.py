"""One publisher a topic, of the right type: whom to listen to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rclpy.node import Node

from zipmo_ros.nodes.diagnostics import StatusReport
from zipmo_ros.nodes.states import SEVERAL_SOURCES, WRONG_TYPE

if TYPE_CHECKING:  # rclpy has it from Kilted on
    from rclpy.subscription import MessageInfo
    from rclpy.topic_endpoint_info import TopicEndpointInfo

Claims = Callable[[Any], Iterable[str]]


def whole_topic(message: Any) -> tuple[str, ...]:
    """The claims of messages that nobody else may add to: one publisher has all of the topic."""
    return ("",)


class SoleSource:
    """Keeps to the publisher of a topic that it first heard something valid from, and calls a second one an error.

    claims: message -> the parts of the topic that it speaks of, as joint names; each part may have a publisher of its
    own. A publisher that is gone, or has been silent for `PATIENCE` seconds, loses its place: a node that was killed
    and started again is heard without waiting until the middleware has forgotten the dead one. A publisher of another
    message type is never heard at all; check() names it. rclpy before Kilted does not say who published: there several
    publishers are all refused, whatever they speak of.
    """

    PATIENCE = 2.0

    def __init__(self, node: Node, report: StatusReport, topic: str, kind: type, claims: Claims = whole_topic,
                 clock: Callable[[], float] = time.monotonic):  # fmt: skip
        self._node = node
        self._report = report
        self._topic = topic
        self._type = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        self._claims = claims
        self._clock = clock
        self._heard: dict[str, tuple[bytes, float]] = {}  # of each part: who has it, and when it was heard last
        self._refused_at = -self.PATIENCE

    def accepts(self, message: Any, info: MessageInfo) -> bool:
        """Whether a message comes from a publisher to listen to. Once it has turned out valid, tell `valid`."""
        gid = info.get("publisher_gid")
        if gid is None:
            accepted = sum(info.topic_type == self._type for info in self._infos()) <= 1
        else:
            accepted = all(self._free(part, gid["data"]) for part in self._claims(message))
        if not accepted:
            self._refused_at = self._clock()
            self.check()
        return accepted

    def valid(self, message: Any, info: MessageInfo) -> None:
        """The message that was accepted is a valid one: its publisher has the place from now on."""
        gid = info.get("publisher_gid")
        if gid is not None:
            self._heard |= dict.fromkeys(self._claims(message), (gid["data"], self._clock()))

    def _free(self, part: str, gid: bytes) -> bool:
        holder, at = self._heard.get(part, (gid, 0.0))
        return holder == gid or self._clock() - at > self.PATIENCE or holder not in self._present()

    def _present(self) -> dict[bytes, str]:
        """The publishers that the middleware knows now: identity -> node."""
        return {bytes(i.endpoint_gid): f"{i.node_namespace.rstrip('/')}/{i.node_name}" for i in self._infos()}

    def _infos(self) -> list[TopicEndpointInfo]:
        return self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(self._topic))

    def check(self) -> None:
        """Set or clear the standing problems."""
        topic = self._node.resolve_topic_name(self._topic)
        strangers = [
            f"{info.node_name} publishes {info.topic_type}" for info in self._infos() if info.topic_type != self._type
        ]
        wrong = f"{topic} must carry {self._type}, but {', '.join(strangers)}"
        self._report.stands(f"type of {self._topic}", WRONG_TYPE if strangers else None, wrong)
        rivals = self.rivals()
        self._report.stands(f"publishers of {self._topic}", SEVERAL_SOURCES if rivals else None, rivals or "")

    def rivals(self) -> str | None:
        """Who publishes, where somebody has been refused of late."""
        if self._clock() - self._refused_at >= self.PATIENCE:
            return None
        names, topic = list(self._present().values()), self._node.resolve_topic_name(self._topic)
        return f"{len(names)} publishers on {topic} ({', '.join(names)}); only the first one heard is listened to"
