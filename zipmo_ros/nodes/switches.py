"""Stops the arms of a graph, and re-arms them."""

from __future__ import annotations

from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from zipmo_ros.contract.topics import DIAGNOSTICS, EMERGENCY_STOP
from zipmo_ros.nodes.session import Session, session, triggers, where
from zipmo_ros.nodes.wire.topics import LATCHED

TOLD_WITHIN = 1.5  # s: nodes say once a second how they are
SETTLED = 3.5  # s without another node, until those that are there count as all: Fast DDS says who is there every 3 s


class Answer(NamedTuple):
    """What a node said. done: whether it did what it was asked."""

    node: str
    done: bool
    text: str


def arm(namespace: str = "", timeout: float = 5.0) -> list[Answer]:
    """Release the emergency stop, where nobody else holds one, and call `~/arm` of every node that has it.

    Raises TimeoutError when there is none after `timeout` seconds.
    """
    with session("zipmo_arm", namespace) as here:
        services = _settled(here, timeout)
        if not services:
            raise TimeoutError(f"no node has a service ~/arm in {where(here.node)}")
        release = here.node.create_publisher(Bool, EMERGENCY_STOP, LATCHED)
        holders = _others(here.node)
        if not holders:
            here.until(release.get_subscription_count, 1.0)
            release.publish(Bool(data=False))
            release.wait_for_all_acked(Duration(seconds=1))
            here.turn(0.1)  # it is heard before the question is
        answers = [_ask(here, name, timeout) for name in services]
        if holders and not all(answer.done for answer in answers):
            answers.append(Answer(EMERGENCY_STOP, False, f"it is for {', '.join(holders)} to release"))
        return answers


def stop(namespace: str = "", timeout: float = 5.0) -> list[Answer]:
    """Press the emergency stop, and see that every node which tells whether it is armed says that it is not.

    Raises TimeoutError when nobody listens after `timeout` seconds.
    """
    states: dict[str, str] = {}
    prefix = f"/{namespace.strip('/')}/".replace("//", "/")

    def take(message: DiagnosticArray) -> None:
        for status in message.status:
            told = {pair.key: pair.value for pair in status.values}
            if "safety" in told and f"/{status.name}".startswith(prefix):
                states[f"/{status.name}"] = told["safety"]

    with session("zipmo_stop", namespace) as here:
        here.node.create_subscription(DiagnosticArray, DIAGNOSTICS, take, QoSProfile(depth=50))
        button = here.node.create_publisher(Bool, EMERGENCY_STOP, LATCHED)
        button.publish(Bool(data=True))  # at once: it is latched for those who are still to be found
        here.turn(TOLD_WITHIN)
        nodes = {service.removesuffix("/arm") for service in _settled(here, timeout)}
        if not nodes:
            raise TimeoutError(f"nobody listens to {button.topic_name} in {where(here.node)}; nothing was stopped")
        here.until(lambda: all(states.get(name, "armed") != "armed" for name in nodes), timeout)
        found = {**dict.fromkeys(nodes, "it does not say whether it has stopped"), **states}
        return [Answer(name, states.get(name, "armed") != "armed", found[name]) for name in sorted(found)]


def _settled(here: Session, timeout: float) -> list[str]:
    """Names of the services ~/arm in the session's namespace, once no more of them come."""

    def found() -> list[str]:
        return triggers(here.node, "arm")

    here.until(found, timeout)
    before = None
    while (now := found()) != before:
        before = now
        here.turn(SETTLED)
    return now


def _ask(here: Session, service: str, timeout: float) -> Answer:
    node = service.removesuffix("/arm")
    client: Any = here.node.create_client(Trigger, service)
    answer = client.call_async(Trigger.Request())
    if not here.until(answer.done, timeout):
        return Answer(node, False, f"no answer within {timeout:g} s")
    result = answer.result()
    return Answer(node, result.success, result.message)


def _others(node: Node) -> list[str]:
    """Nodes besides this one that publish the emergency stop."""
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(EMERGENCY_STOP))
    return sorted({info.node_name for info in infos} - {node.get_name()})
