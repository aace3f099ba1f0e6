"""Hears every topic of a namespace as it comes: serialised, those that appear later too."""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

if TYPE_CHECKING:  # rclpy has it from Kilted on
    from rclpy.subscription import MessageInfo

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
_REMEMBERED = 64  # messages of a topic, to know those that two subscriptions hear


class Raw(NamedTuple):
    """received_ns: by the system's clock."""

    topic: str
    received_ns: int
    data: bytes


@dataclass
class _HeardTopic:
    kind: str
    subscriptions: dict[tuple[ReliabilityPolicy, DurabilityPolicy], Any] = field(default_factory=dict)
    heard: deque[tuple[bytes, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class AllTopics:
    """Subscribes to what is published in a namespace, and to topics that belong to none (/diagnostics, /clock, /tf).

    A topic with latched publishers is heard twice, as they ask and as anybody may publish; each message comes once.
    accept: (topic, type, QoS of its publishers) -> None, called before a topic's first message, raises ValueError for
    one that can't be taken; it is then left out. `refused` says why.
    """

    def __init__(self, node: Node, accept: Callable[[str, str, Sequence[QoSProfile]], None],
                 on_message: Callable[[Raw], None]):  # fmt: skip
        self._node, self._accept, self._on_message = node, accept, on_message
        self._namespace = node.get_namespace().rstrip("/")
        self._topics: dict[str, _HeardTopic] = {}
        self.refused: dict[str, str] = {}  # topic -> why

    def __len__(self) -> int:
        return len(self._topics)

    def look(self) -> None:
        """Subscribe to what is there by now, as its publishers publish now."""
        for topic, kinds in self._node.get_topic_names_and_types():
            if topic not in self.refused and self._is_ours(topic):
                try:
                    self._follow(topic, kinds)
                except ValueError as error:
                    self.refused[topic] = str(error)

    def close(self) -> None:
        """Hear nothing any more."""
        for topic in self._topics.values():
            for subscription in topic.subscriptions.values():
                self._node.destroy_subscription(subscription)
        self._topics.clear()

    def _is_ours(self, topic: str) -> bool:
        return topic.startswith(f"{self._namespace}/") or topic.count("/") == 1

    def _follow(self, topic: str, kinds: Sequence[str]) -> None:
        offered = [info.qos_profile for info in self._node.get_publishers_info_by_topic(topic)]
        if not offered:
            return
        if len(kinds) > 1:
            raise ValueError(f"it has several types: {', '.join(kinds)}")
        message = _message_class(kinds[0])
        if topic not in self._topics:
            self._accept(topic, kinds[0], offered)
            self._topics[topic] = _HeardTopic(kinds[0])
        held, wanted = self._topics[topic].subscriptions, _requested(offered)
        for key in held.keys() - wanted:
            self._node.destroy_subscription(held.pop(key))
        for key in wanted - held.keys():
            profile = _profile(*key)
            held[key] = self._node.create_subscription(message, topic, self._hearer(topic), profile, raw=True)

    def _hearer(self, topic: str) -> Callable[[bytes, MessageInfo], None]:
        heard = self._topics[topic].heard

        def hear(data: bytes, info: MessageInfo) -> None:
            gid = info.get("publisher_gid")  # rclpy before Kilted does not say
            identity = bytes(gid["data"]) if gid else b"", info["source_timestamp"]
            if identity not in heard:
                heard.append(identity)
                self._on_message(Raw(topic, info["received_timestamp"] or time.time_ns(), data))

        return hear


def _requested(offered: Sequence[QoSProfile]) -> set[tuple[ReliabilityPolicy, DurabilityPolicy]]:
    """What hears all of these publishers: volatile ones, and the latched ones' last words besides."""

    def weakest(profiles: Sequence[QoSProfile]) -> ReliabilityPolicy:
        return RELIABLE if all(profile.reliability == RELIABLE for profile in profiles) else BEST_EFFORT

    latched = [profile for profile in offered if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL]
    found = {(weakest(offered), DurabilityPolicy.VOLATILE)}
    return found | ({(weakest(latched), DurabilityPolicy.TRANSIENT_LOCAL)} if latched else set())


def _profile(reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    depth = 100 if reliability == RELIABLE else 10  # images are best effort, and large
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


def _message_class(kind: str) -> type:
    """The class of "std_msgs/msg/String". Raises ValueError where its package is not installed."""
    package, _, name = kind.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"its type {kind} is not installed here") from error
