"""Gives a running planner its instruction, and waits until it is in use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from std_msgs.msg import String

from zipmo_ros.nodes.wire import topics
from zipmo_ros.nodes.wire.messages import instruction_problem


def say(sentence: str, namespace: str = "", timeout: float = 10.0) -> None:
    """Publish the sentence to the graph in a namespace and return once its planner follows it.

    Raises ValueError for what is no instruction, TimeoutError when after `timeout` seconds no planner listens, or it
    did not take the sentence.
    """
    if problem := instruction_problem(sentence):
        raise ValueError(problem)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(args=[])
    node = rclpy.create_node("zipmo_say", namespace=namespace)
    try:
        in_use: list[str] = []
        topic = f"planner/{topics.INSTRUCTION_IN_USE}"
        node.create_subscription(String, topic, lambda message: in_use.append(message.data), topics.LATCHED)
        publisher = node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        deadline = time.monotonic() + timeout

        def wait(condition: Callable[[], object], otherwise: str) -> None:
            while not condition():
                if time.monotonic() > deadline:
                    raise TimeoutError(otherwise)
                rclpy.spin_once(node, timeout_sec=0.05)

        where = f"{publisher.topic_name} in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}"
        wait(publisher.get_subscription_count, f"no planner listens to {where}; start one with `zipmo up sim`")
        publisher.publish(String(data=sentence))
        publisher.wait_for_all_acked(Duration(seconds=2))
        wait(lambda: sentence in in_use[-1:],
             f"the planner did not take the sentence (is it active? see {topics.DIAGNOSTICS})")  # fmt: skip
    except ExternalShutdownException:  # Ctrl-C, as rclpy tells it
        raise KeyboardInterrupt from None
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
