"""What a running graph says of itself, gathered for people: the numbers behind `zipmo status`."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String

from zipmo_ros.contract import topics
from zipmo_ros.nodes.wire.topics import LATCHED

LEVELS = {DiagnosticStatus.OK: "ok", DiagnosticStatus.WARN: "warning", DiagnosticStatus.ERROR: "error"}
SILENT_AFTER = 3.0  # s without a status, which nodes send once a second
WINDOW = 3.0  # s over which rates are taken


@dataclass
class Pulse:
    """Of a topic: when its newest messages came (steady clock, s), and what the newest was stamped."""

    came: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    stamp_s: float | None = None

    def rate(self, now: float) -> float:
        """Messages a second of late."""
        recent = sum(now - at <= WINDOW for at in self.came)
        return recent / WINDOW

    def age(self, now: float) -> float | None:
        """Seconds since the newest came."""
        return now - self.came[-1] if self.came else None


@dataclass
class NodeState:
    """What a node said last. values: of its status. at: steady clock, s."""

    level: str
    message: str
    values: dict[str, str]
    at: float


@dataclass
class Snapshot:
    """All at one moment. nodes by name below the namespace; topics by the nodes' names for them."""

    nodes: dict[str, dict[str, Any]]
    topics: dict[str, dict[str, float | None]]
    instruction: str | None
    about: str | None  # what the planner takes the instruction to be about; known while somebody looks at its plans
    emergency_stop: bool | None
    episode: dict[str, Any]


class Watcher:
    """Listens to a graph's diagnostics and topics, without asking anything of it. views: of its cameras."""

    def __init__(self, node: Node, views: tuple[str, ...], clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._prefix = f"{node.get_namespace().strip('/')}/".lstrip("/")
        self._nodes: dict[str, NodeState] = {}
        self._pulses: dict[str, Pulse] = {}
        self._instruction: str | None = None
        self._emergency_stop: bool | None = None
        self._episode: dict[str, Any] = {}
        sensor = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)  # which hears reliable ones, too
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, QoSProfile(depth=50))
        stamped = dict.fromkeys((*map(topics.image_topic, views), topics.MOTION_EMBEDDING), Image)
        stamped |= {topics.JOINT_STATES: JointState, topics.CURRENT_POSE: PoseStamped, topics.POSE: PoseStamped}
        for topic, kind in stamped.items():
            self._pulses[topic] = Pulse()
            node.create_subscription(kind, topic, partial(self._on_stamped, topic), sensor)
        node.create_subscription(String, topics.EPISODE, self._on_episode, LATCHED)
        node.create_subscription(Bool, topics.EMERGENCY_STOP, self._on_emergency_stop, LATCHED)

    def __bool__(self) -> bool:
        """Whether anything was heard at all."""
        return bool(self._nodes) or any(pulse.came for pulse in self._pulses.values())

    def snapshot(self) -> Snapshot:
        """What is known by now."""
        now = self._clock()
        nodes = {name: self._told(state, now) for name, state in sorted(self._nodes.items())}

        def said(key: str) -> str | None:
            values = (state["values"].get(key, "-") for state in nodes.values())
            return next((text for text in values if text != "-"), None)

        embedding = self._pulses[topics.MOTION_EMBEDDING].stamp_s
        felt = self._pulses[topics.JOINT_STATES].stamp_s
        rows: dict[str, dict[str, float | None]] = {
            topic: {"rate_hz": pulse.rate(now), "age_s": pulse.age(now)} for topic, pulse in self._pulses.items()
        }
        if embedding is not None and felt is not None:
            rows[topics.MOTION_EMBEDDING]["behind_joints_s"] = felt - embedding
        return Snapshot(nodes, rows, said("instruction"), said("about"), self._emergency_stop, self._episode)

    @staticmethod
    def _told(state: NodeState, now: float) -> dict[str, Any]:
        silent = now - state.at
        if silent > SILENT_AFTER:
            return {"level": "silent", "message": f"nothing said for {silent:.0f} s", "values": state.values}
        return {"level": state.level, "message": state.message, "values": state.values}

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = status.name.removeprefix(self._prefix)
            if status.name.startswith(self._prefix) and "/" not in name:
                values = {pair.key: pair.value for pair in status.values}
                level = LEVELS.get(status.level, "stale")
                self._nodes[name] = NodeState(level, status.message, values, self._clock())

    def _on_stamped(self, topic: str, message: Any) -> None:
        pulse, stamp = self._pulses[topic], message.header.stamp
        pulse.came.append(self._clock())
        pulse.stamp_s = stamp.sec + stamp.nanosec / 1e9

    def _on_episode(self, message: String) -> None:
        self._episode = json.loads(message.data)

    def _on_emergency_stop(self, message: Bool) -> None:
        self._emergency_stop = message.data
