"""A node for the length of one command: asks, listens, and is gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

TRIGGER = "std_srvs/srv/Trigger"


class Session:
    """node: to subscribe, publish and ask with; it turns while `until` waits."""

    def __init__(self, node: Node):
        self.node = node

    def until(self, condition: Callable[[], object], timeout: float) -> bool:
        """Turn until the condition holds; whether it did within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            rclpy.spin_once(self.node, timeout_sec=min(left, 0.05))
        return True

    def turn(self, seconds: float) -> None:
        """Turn for a while."""
        self.until(lambda: False, seconds)


@contextmanager
def session(name: str, namespace: str = "",
            signals: SignalHandlerOptions = SignalHandlerOptions.ALL) -> Iterator[Session]:  # fmt: skip
    """A session in a namespace, on this machine alone unless the user has decided otherwise.

    Ctrl-C is a KeyboardInterrupt, as anywhere. signals: NO where something is still to be said after it: rclpy's own
    handlers would end the context first.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(args=[], signal_handler_options=signals)
    node = rclpy.create_node(name, namespace=namespace.strip("/"), start_parameter_services=False)
    try:
        yield Session(node)
    except ExternalShutdownException:  # as rclpy tells it
        raise KeyboardInterrupt from None
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def triggers(node: Node, name: str) -> list[str]:
    """Services std_srvs/Trigger called `name` of the nodes in this node's namespace, sorted; as they are known now."""
    prefix = f"{node.get_namespace().rstrip('/')}/"
    known = [service for service, kinds in node.get_service_names_and_types() if TRIGGER in kinds]
    ends = (service.removeprefix(prefix).split("/") for service in known if service.startswith(prefix))
    return sorted(f"{prefix}{parts[0]}/{name}" for parts in ends if parts[1:] == [name])


def where(node: Node) -> str:
    """The namespace and domain of a node, for people."""
    return f"namespace {node.get_namespace()} of ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}"
