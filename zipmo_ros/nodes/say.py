"""Gives a running graph its instruction, and waits until it is in use, or until it is carried out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.nodes.graph import PLANNER, POLICY
from zipmo_ros.nodes.instructed_run import Ending, InstructedRun
from zipmo_ros.nodes.wire import topics

ASKING = 1.0  # s for requests to stop to be sent and answered


def say(sentence: str, namespace: str = "", timeout: float = 10.0) -> None:
    """Publish the sentence to the graph in a namespace and return once the nodes that are there follow it.

    Raises ValueError for what is no instruction, TimeoutError when after `timeout` seconds no planner listens, or it
    did not take the sentence.
    """
    Sentence(sentence)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(args=[])
    node = rclpy.create_node("zipmo_say", namespace=namespace)
    try:
        in_use: dict[str, str] = {}  # by topic
        followers = [f"{entry.name}/{topics.INSTRUCTION_IN_USE}" for entry in (PLANNER, POLICY)]
        for topic in followers:
            node.create_subscription(
                String, topic, lambda message, topic=topic: in_use.update({topic: message.data}), topics.LATCHED
            )
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
        # A graph whose policy needs no plan has no planner: those that are there have to follow.
        wait(lambda: in_use and all(in_use.get(topic) == sentence for topic in followers
                                    if node.count_publishers(topic)),
             f"the planner did not take the sentence (is it active? see {topics.DIAGNOSTICS})")  # fmt: skip
    except ExternalShutdownException:  # Ctrl-C, as rclpy tells it
        raise KeyboardInterrupt from None
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def carry_out(sentence: str, namespace: str = "", limit: float = 0.0) -> Ending:
    """Have the graph in a namespace do it; returns once its episode ends, or with the arm stopped.

    limit: s after which it is stopped; 0: none. Ctrl-C stops it too. Raises ValueError for what is no instruction.
    """
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)  # whose own would end the context first
    node = rclpy.create_node("zipmo_say", namespace=namespace)
    try:
        run = InstructedRun(node)
        run.begin(sentence, limit)
        try:
            while (ending := run.ending()) is None:
                rclpy.spin_once(node, timeout_sec=0.1)
        except KeyboardInterrupt:
            ending = run.stop("interrupted")
        deadline = time.monotonic() + ASKING
        while run.asking and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.05)
        return ending
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
