"""Gives a running graph its instruction, and waits until it is in use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import GetState
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.nodes.graph import PLANNER, POLICY
from zipmo_ros.nodes.session import session
from zipmo_ros.nodes.verdicts import Verdicts
from zipmo_ros.nodes.wire import topics

KEPT = 0.3  # s that a verdict from before has to come: it must not be taken for one on what is said now
PLANNING = 1.0  # s that the next plan has to say whether the sentence was understood
ASK_AGAIN = 1.0  # s until a node that does not say its state is asked again


class Follower:
    """A node that follows instructions, seen from outside."""

    def __init__(self, node: Node, name: str):
        self.name, self.state, self.in_use = name, "silent", ""
        self._node = node
        self._topic = f"{name}/{topics.INSTRUCTION_IN_USE}"
        node.create_subscription(String, self._topic, self._on_in_use, topics.LATCHED)
        self._client: Any = node.create_client(GetState, f"{name}/get_state")
        self._asked: float | None = None

    @property
    def there(self) -> bool:
        """Whether there is such a node."""
        return bool(self._node.count_publishers(self._topic))

    def active(self) -> bool:
        """Whether it is active; asks it."""
        due = self._asked is None or time.monotonic() - self._asked > ASK_AGAIN
        if self.state != "active" and due and self._client.service_is_ready():
            self._asked = time.monotonic()
            self._client.call_async(GetState.Request()).add_done_callback(self._on_state)
        return self.state == "active"

    def _on_state(self, answer: Any) -> None:
        self.state, self._asked = answer.result().current_state.label, None

    def _on_in_use(self, message: String) -> None:
        self.in_use = message.data


def say(sentence: str, namespace: str = "", timeout: float = 10.0) -> str | None:
    """Publish the sentence to the graph in a namespace and return once the nodes that are there follow it: why they
    don't, where the next plan says that it was not understood, None otherwise.

    It is published once all of them are active, so that a sentence which is given up is not followed later. Raises
    ValueError for what is no instruction, TimeoutError when after `timeout` seconds no planner listens, one of the
    nodes is not active, or (which only happens to a node that hangs) one did not take the sentence.
    """
    Sentence(sentence)
    deadline = time.monotonic() + timeout
    with session("zipmo_say", namespace) as here:

        def wait(condition: Callable[[], object], otherwise: Callable[[], str]) -> None:
            if not here.until(condition, deadline - time.monotonic()):
                raise TimeoutError(otherwise())

        verdicts = Verdicts(here.node)
        here.until(lambda: verdicts.heard, KEPT)
        _say(here.node, sentence, verdicts, wait)
        here.until(lambda: verdicts.told(sentence), PLANNING)  # of a planner that is discovered by now, if there is one
        return verdicts.refusal(sentence)


def _say(node: Node, sentence: str, verdicts: Verdicts,
         wait: Callable[[Callable[[], object], Callable[[], str]], None]) -> None:  # fmt: skip
    followers = [Follower(node, entry.name) for entry in (PLANNER, POLICY)]

    def those_there() -> list[Follower]:  # a graph whose policy needs no plan has no planner
        return [follower for follower in followers if follower.there]

    topic = node.resolve_topic_name(topics.INSTRUCTION)
    where = f"{topic} in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}"
    wait(those_there, lambda: f"no planner listens to {where}; start one with `zipmo up sim`")

    def waiting(what: str) -> str:
        return "; ".join(f"{f.name} is {f.state}" for f in those_there()) + f"; {what} (see {topics.DIAGNOSTICS})"

    def all_active() -> bool:
        return min([follower.active() for follower in those_there()], default=False)  # all of them are asked

    wait(all_active, lambda: waiting("nothing was said, and nothing changes later"))
    publisher = node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
    wait(lambda: publisher.get_subscription_count() >= len(those_there()),
         lambda: waiting("nothing was said, and nothing changes later"))  # fmt: skip
    verdicts.forget()
    publisher.publish(String(data=sentence))
    publisher.wait_for_all_acked(Duration(seconds=2))
    wait(
        lambda: all(follower.in_use == sentence for follower in those_there()),
        lambda: waiting("the sentence is out, and who did not answer follows it later; say another"),
    )
