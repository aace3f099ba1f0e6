"""What a node tells /diagnostics and its log."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from zipmo_ros.contract.topics import DIAGNOSTICS

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
_REPEAT_AFTER = 5.0  # s until the same event is logged again


class StatusReport:
    """Standing problems (set and cleared by key), events (counted, the last one kept) and numbers of a node.

    values: () -> dict of what to publish besides; None is published as "-".
    """

    def __init__(self, node: Node, values: Callable[[], dict]):
        self._node = node
        self._values = values
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS, 10)
        self._problems: dict[str, tuple[bytes, str]] = {}
        self._logged: dict[str, float] = {}
        self.events = 0
        self.last_error: str | None = None

    def problem(self, key: str, text: str | None, level: bytes = ERROR) -> None:
        """Set what stands in the way of `key`, or clear it with None. A change is logged and published at once."""
        known = self._problems.get(key)
        if text is None:
            if known is None:
                return
            del self._problems[key]
            self._node.get_logger().info(f"{key}: ok again")
        else:
            self._problems[key] = (level, text)
            if level == ERROR:
                self.last_error = text
            if known is not None and known[0] == level:  # the text may hold a number that counts up
                return
            log = self._node.get_logger()
            if level == ERROR:
                log.error(text)
            else:
                log.warning(text)
        self.publish()

    def event(self, text: str) -> None:
        """Something was refused or went wrong once."""
        self.events += 1
        self.last_error = text
        now = time.monotonic()
        if now - self._logged.get(text, -_REPEAT_AFTER) >= _REPEAT_AFTER:
            self._logged = {t: at for t, at in self._logged.items() if now - at < _REPEAT_AFTER} | {text: now}
            self._node.get_logger().warning(text)
            self.publish()

    def publish(self) -> None:
        """Publish the status of now."""
        if not self._node.context.ok():
            return
        status = DiagnosticStatus(name=self._node.get_fully_qualified_name().lstrip("/"))
        status.level = max((level for level, _ in self._problems.values()), default=OK)
        status.message = "; ".join(text for _, text in self._problems.values()) or "ok"
        values = {**self._values(), "events": self.events, "last_error": self.last_error}
        status.hardware_id = str(values.get("device") or "")
        status.values = [KeyValue(key=key, value=_text(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


class Rate:
    """Events a second over the time since the last reading."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._since, self._count, self._last = clock(), 0, 0.0

    def tick(self) -> None:
        self._count += 1

    def read(self) -> float:
        """Rate since the last reading that is at least a second ago."""
        elapsed = self._clock() - self._since
        if elapsed >= 1.0:
            self._last, self._since, self._count = self._count / elapsed, self._clock(), 0
        return self._last
