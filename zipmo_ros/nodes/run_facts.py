"""What a run was made with: parameters and checkpoints of the nodes around."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterEvent, ParameterValue
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSProfile, qos_profile_parameter_events

from zipmo_ros import __version__
from zipmo_ros.contract.topics import DIAGNOSTICS

_KEPT = ("planner", "policy", "checkpoint", "checkpoint_hash", "device")  # of /diagnostics; the rest is in the bag


class RunFacts:
    """Asks every node of a namespace for its parameters, once, and follows their changes.

    on_change: called when something new is known.
    """

    def __init__(self, node: Node, on_change: Callable[[], None]):
        self._node, self._on_change = node, on_change
        self._namespace = node.get_namespace().rstrip("/")
        self._clients: dict[str, AsyncParameterClient | None] = {}  # by node; None once it is asked
        self._nodes: dict[str, dict[str, Any]] = {}
        self._changes: list[dict[str, Any]] = []
        self._began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        node.create_subscription(DiagnosticArray, DIAGNOSTICS, self._on_diagnostics, QoSProfile(depth=10))
        node.create_subscription(ParameterEvent, "/parameter_events", self._on_event, qos_profile_parameter_events)

    def look(self) -> None:
        """Ask the nodes that have come."""
        for name, namespace in self._node.get_node_names_and_namespaces():
            full = f"{namespace.rstrip('/')}/{name}"
            if self._is_ours(full) and full not in self._clients:
                self._clients[full] = AsyncParameterClient(self._node, full)
        for full, client in self._clients.items():
            if client is not None and client.services_are_ready():
                self._clients[full] = None
                self._ask(full, client)

    def plain(self) -> dict[str, Any]:
        """What is known by now, JSON-ready: `nodes` by their names below `namespace`; `changes` of parameters since,
        each with its time of receipt in ns.
        """
        return {
            "version": __version__,
            "began": self._began,
            "namespace": self._namespace or "/",
            "nodes": {name: self._nodes[name] for name in sorted(self._nodes)},
            "changes": self._changes,
        }

    def _is_ours(self, full: str) -> bool:
        return full.startswith(f"{self._namespace}/") and full != self._node.get_fully_qualified_name()

    def _of(self, full: str) -> dict[str, Any]:
        return self._nodes.setdefault(full.removeprefix(f"{self._namespace}/"), {"parameters": {}})

    def _ask(self, full: str, client: AsyncParameterClient) -> None:
        def named(future: Any) -> None:
            names = list(future.result().result.names)
            client.get_parameters(names, lambda answer: valued(names, answer))

        def valued(names: list[str], future: Any) -> None:
            values = map(_plain, future.result().values)
            self._of(full)["parameters"] = dict(zip(names, values, strict=True))
            self._on_change()

        client.list_parameters(callback=named)

    def _on_event(self, event: ParameterEvent) -> None:
        if not self._is_ours(event.node) or event.node.removeprefix(f"{self._namespace}/") not in self._nodes:
            return  # what it starts with will be asked
        for parameter in event.changed_parameters:
            change = {"node": event.node.removeprefix(f"{self._namespace}/"), "name": parameter.name}
            self._changes.append({"received_ns": time.time_ns(), **change, "value": _plain(parameter.value)})
            self._on_change()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            full = f"/{status.name}"
            if not self._is_ours(full):
                continue
            told = {pair.key: pair.value for pair in status.values if pair.key in _KEPT and pair.value != "-"}
            if told and self._of(full).get("models") != told:
                self._of(full)["models"] = told
                self._on_change()


def _plain(message: ParameterValue) -> Any:
    """A parameter's value as JSON knows it."""
    value = parameter_value_to_python(message)
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, str):
        return value
    return [int.from_bytes(item, "big") if isinstance(item, bytes) else item for item in list(value)]
