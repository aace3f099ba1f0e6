"""What a node tells /diagnostics and its log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from zipmo_ros.contract.topics import DIAGNOSTICS
from zipmo_ros.nodes.states import ERROR, OK, WARN, State

__all__ = ["ERROR", "OK", "WARN", "Rate", "StatusReport"]

_REPEAT_AFTER = 5.0  # s until an event of the same kind is logged again
_NUMBER = re.compile(r"[-+]?\d[\d.,:]*(e[-+]?\d+)?", re.IGNORECASE)


class StatusReport:
    """Standing problems (set and cleared by key), events (counted, the last one kept) and numbers of a node.

    values: () -> dict of what to publish besides; None is published as "-". clock: seconds that never go back.
    """

    def __init__(self, node: Node, values: Callable[[], dict], clock: Callable[[], float] = time.monotonic):
        self._node = node
        self._values = values
        self._clock = clock
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS, 10)
        self._problems: dict[str, tuple[State, str]] = {}
        self._logged: dict[str, float] = {}
        self.events = 0
        self.last_error: str | None = None

    @property
    def states(self) -> tuple[str, ...]:
        """Names of what stands in the way now."""
        return tuple(state.name for state, _ in self._problems.values())

    def stands(self, key: str, state: State | None, seen: str = "") -> None:
        """Set the state that `key` is in and what was seen of it, or clear it with None.

        A change of state is logged and published at once; what was seen may hold a number that counts up.
        """
        known = self._problems.get(key)
        if state is None:
            if known is None:
                return
            del self._problems[key]
            self._node.get_logger().info(f"{key}: ok again")
        else:
            text = state.said(seen)
            self._problems[key] = (state, text)
            if state.level == ERROR:
                self.last_error = text
            if known is not None and known[0] == state:
                return
            log = self._node.get_logger()
            if state.level == ERROR:
                log.error(text)
            else:
                log.warning(text)
        self.publish()

    def problem(self, key: str, text: str | None, level: bytes = ERROR) -> None:
        """As `stands`, for what is in the way of `key` and has no name of its own."""
        self.stands(key, None if text is None else State(key, level), text or "")

    def event(self, text: str) -> None:
        """Something was refused or went wrong once. Of those that differ in numbers alone, one in a while is logged."""
        self.events += 1
        self.last_error = text
        now, kind = self._clock(), _NUMBER.sub("#", text)
        if now - self._logged.get(kind, -_REPEAT_AFTER) >= _REPEAT_AFTER:
            self._logged = {k: at for k, at in self._logged.items() if now - at < _REPEAT_AFTER} | {kind: now}
            self._node.get_logger().warning(text)
            self.publish()

    def publish(self) -> None:
        """Publish the status of now."""
        if not self._node.context.ok():
            return
        status = DiagnosticStatus(name=self._node.get_fully_qualified_name().lstrip("/"))
        status.level = max((state.level for state, _ in self._problems.values()), default=OK)
        status.message = "; ".join(text for _, text in self._problems.values()) or "ok"
        states = ", ".join(self.states) or None
        values = {**self._values(), "states": states, "events": self.events, "last_error": self.last_error}
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
