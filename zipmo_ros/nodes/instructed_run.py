"""One instruction carried out: said, watched until it is done or out of time, and the arm stopped where it is not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.client import Client
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.nodes.graph import PLANNER, POLICY
from zipmo_ros.nodes.say import Follower
from zipmo_ros.nodes.session import session, triggers
from zipmo_ros.nodes.verdicts import Verdicts
from zipmo_ros.nodes.wire import topics

ASKING = 1.0  # s for requests to stop to be sent and answered
SAY_AGAIN = 1.0  # s until a sentence that was not taken is said again: to nodes that are only now discovered
TAKING = 10.0  # s that the nodes which follow an instruction have to take it


@dataclass(frozen=True)
class Progress:
    """state: what the arm is at. step: of the episode, 0 where nobody counts. elapsed: s since it was said."""

    state: str
    step: int
    elapsed: float


@dataclass(frozen=True)
class Ending:
    """success: whether the source of the episode calls the task done. reason: why it is over."""

    success: bool
    reason: str


class InstructedRun:
    """Carries out one instruction after another, by stock topics and services alone.

    `begin`, then `ending` again and again while the node spins, until it is not None; `stop` in between gives up.
    clock: () -> seconds, steady.
    """

    def __init__(self, node: Node, clock: Callable[[], float] = time.monotonic):
        self._node, self._clock = node, clock
        self._sentence, self._limit, self._since, self._said = "", 0.0, 0.0, 0.0
        self._taken = False
        self._running: dict[str, Any] | None = None  # newest report of an episode that runs
        self._ended: dict[str, Any] | None = None  # report of the end that came since the sentence was taken
        self.asking: list[Client] = []  # of services that have not answered yet
        self._verdicts = Verdicts(node)
        self._followers = [Follower(node, entry.name) for entry in (PLANNER, POLICY)]
        node.create_subscription(String, topics.EPISODE, self._on_episode, topics.LATCHED)
        # Not kept for those who come late: what was given up must not be followed then. Who listens to kept ones too is
        # no fault.
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        self._instruction = node.create_publisher(String, topics.INSTRUCTION, topics.COMMAND, event_callbacks=quiet)

    def begin(self, sentence: str, limit: float = 0.0) -> None:
        """Say it. limit: s after which the arm is stopped; 0: none. Raises ValueError for what is no instruction."""
        Sentence(sentence)
        if limit < 0:
            raise ValueError(f"a time limit of {limit:g} s; 0 means none")
        self._sentence, self._limit, self._since = sentence, limit, self._clock()
        self._taken, self._ended = False, None
        for follower in self._followers:
            follower.in_use = ""
        self._say()

    def ending(self) -> Ending | None:
        """Why it is over, or None while it is not. What is over by the clock has the arm stopped."""
        elapsed = self._clock() - self._since
        self._taken = self._taken or self._all_follow()
        if not self._taken and self._clock() - self._said >= SAY_AGAIN:
            self._say()
        if self._ended is not None:
            state, reason = self._ended["state"], self._ended["reason"]
            return Ending(state == "success", f"{state}: {reason}".removesuffix(": "))
        verdict = self._verdicts.newest
        if self._taken and verdict and verdict.refused and (refusal := self._verdicts.refusal(self._sentence)):
            return Ending(False, refusal)
        if not self._taken and elapsed > TAKING:
            return self.stop(f"not taken within {TAKING:g} s: no planner or policy listens, or it is not active")
        if self._limit and elapsed > self._limit:
            untaken = "" if self._taken else " before any planner or policy took it"
            return self.stop(f"the time limit of {self._limit:g} s is over{untaken}")
        return None

    def progress(self) -> Progress:
        """Where it stands."""
        step = self._running["step"] if self._running is not None else 0
        return Progress("under way" if self._taken else "said", step, self._clock() - self._since)

    def stop(self, reason: str) -> Ending:
        """Have every node of this namespace that has a `~/stop` stop and latch. Moving again takes `zipmo arm`."""
        stopped = triggers(self._node, "stop")
        for name in stopped:
            client: Client = self._node.create_client(Trigger, name)
            self.asking.append(client)
            client.call_async(Trigger.Request()).add_done_callback(partial(self._on_stopped, client))
        done = f"asked to stop: {', '.join(stopped)}" if stopped else "nobody there can be asked to stop"
        return Ending(False, f"{reason}; {done}")

    def _say(self) -> None:
        self._said = self._clock()
        self._verdicts.forget()
        self._instruction.publish(String(data=self._sentence))

    def _on_stopped(self, client: Client, _: Future) -> None:
        self.asking.remove(client)
        self._node.destroy_client(client)

    def _all_follow(self) -> bool:
        """Whether those that are there follow the sentence: a policy that needs no plan has no planner."""
        there = [follower for follower in self._followers if follower.there]
        return bool(there) and all(follower.in_use == self._sentence for follower in there)

    def _on_episode(self, message: String) -> None:
        """An end of which the beginning was not heard is an old one, which the topic keeps for whoever comes late."""
        report = json.loads(message.data)
        if report["state"] == "running":
            self._running = report
        elif self._running is not None:
            self._running, self._ended = None, report if self._taken else None


def carry_out(sentence: str, namespace: str = "", limit: float = 0.0) -> Ending:
    """Have the graph in a namespace do it; returns once its episode ends, or with the arm stopped.

    limit: s after which it is stopped; 0: none. Ctrl-C stops it too. Raises ValueError for what is no instruction.
    """
    with session("zipmo_say", namespace, SignalHandlerOptions.NO) as here:
        run = InstructedRun(here.node)
        run.begin(sentence, limit)
        try:
            while (ending := run.ending()) is None:
                here.turn(0.1)
        except KeyboardInterrupt:
            ending = run.stop("interrupted")
        here.until(lambda: not run.asking, ASKING)
        return ending
