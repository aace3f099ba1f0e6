"""The sentence that a node follows, and the one that a simulator announces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence, goal_from_plain, goal_to_plain
from zipmo_ros.nodes.graph import PLANNER, POLICY
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.states import NO_INSTRUCTION
from zipmo_ros.nodes.wire import topics

if TYPE_CHECKING:  # rclpy has it from Kilted on
    from rclpy.subscription import MessageInfo

SETTLE = 0.5  # s from activation in which other followers can say what they follow
_REMEMBERED = 16  # publishers whose newest sentence is known


class Said(NamedTuple):
    """A sentence, and when it was said (ns of wall clock, of the machine that said it)."""

    sentence: Sentence
    at_ns: int


class Instruction:
    """Hears the instruction, refuses what is none, and says which one is in use: who starts an episode waits for it.

    The newest sentence is followed, whoever said it and wherever its publisher is by now. What a publisher says while
    the node listens is newest as it comes, also from one that keeps nothing (`ros2 topic pub`). What is kept of before
    (by a publisher, or by another follower, which tells when its own was said) is compared by that time; a node that
    becomes active first hears what there is, for SETTLE seconds. So a planner that comes back goes on with the sentence
    of `zipmo say`, and with nobody there who knows one it waits.
    """

    def __init__(self, node: ManagedNode):
        self._node = node
        self._said: Said | None = None
        self._kept: Said | None = None  # the newest that was kept of before, until the node has settled
        self._settled = False
        self._heard: dict[bytes, int] = {}  # when each publisher said what it said last
        self._refused_ns = 0
        self._in_use = node.create_lifecycle_publisher(String, f"~/{topics.INSTRUCTION_IN_USE}", topics.LATCHED)
        self._info = node.create_lifecycle_publisher(String, f"~/{topics.INSTRUCTION_INFO}", topics.LATCHED)
        # A publisher that keeps its sentence is heard by both, one that does not by the first alone: no fault of its.
        quiet = SubscriptionEventCallbacks(use_default_callbacks=False)
        node.create_subscription(String, topics.INSTRUCTION, self._on_live, topics.COMMAND)
        node.create_subscription(String, topics.INSTRUCTION, self._on_kept, topics.LATCHED, event_callbacks=quiet)
        for entry in (PLANNER, POLICY):
            if entry != node.entry:
                topic = f"{entry.name}/{topics.INSTRUCTION_INFO}"
                node.create_subscription(String, topic, self._on_other, topics.LATCHED)
        self._settling = node.create_timer(SETTLE, self._settle, clock=node.steady)
        self._settling.cancel()

    @property
    def sentence(self) -> Sentence | None:
        """The one to follow, if there is one."""
        return self._said and self._said.sentence

    @property
    def said_ns(self) -> int | None:
        """When that was said, see Said."""
        return self._said and self._said.at_ns

    def acknowledge(self) -> None:
        """Say which sentence the next plan follows; the node is active from now on."""
        if not self._settled:
            self._settling.reset()
        self._tell()

    def _tell(self) -> None:
        if self._said is not None:
            self._in_use.publish(String(data=self._said.sentence.text))
            plain = {**goal_to_plain(self._said.sentence), "said_at_ns": self._said.at_ns}
            self._info.publish(String(data=json.dumps(plain)))

    def wanted(self) -> Sentence | None:
        """The sentence to follow; that there is none is said, for somebody wants to follow one."""
        if self._said is None and self._settled:
            self._node.report.stands("instruction", NO_INSTRUCTION, "images come, but no instruction has been given")
        return self.sentence

    def _on_live(self, message: String, info: MessageInfo) -> None:
        at_ns, publisher = info["source_timestamp"], _publisher(info)
        last_ns = self._heard.get(publisher, -1)
        if at_ns == last_ns or (publisher and at_ns < last_ns):
            return  # heard already, where it is kept
        sentence = self._read(message.data, at_ns)
        if sentence is not None:
            # Newer than what is in use, even where its publisher's clock is behind.
            self._follow(Said(sentence, max(at_ns, self._said.at_ns + 1 if self._said else 0)), publisher, at_ns)

    def _on_kept(self, message: String, info: MessageInfo) -> None:
        at_ns = info["source_timestamp"]
        sentence = self._read(message.data, at_ns)
        if sentence is not None:
            self._compare(Said(sentence, at_ns), _publisher(info))

    def _on_other(self, message: String) -> None:
        try:
            plain = json.loads(message.data)
            goal, at_ns = goal_from_plain(plain), int(plain["said_at_ns"])
        except (ValueError, KeyError, TypeError) as error:
            self._node.report.event(f"{topics.INSTRUCTION_INFO}: can't be read: {error!r}; message dropped")
            return
        if isinstance(goal, Sentence):
            self._compare(Said(goal, at_ns))

    def _read(self, text: str, at_ns: int) -> Sentence | None:
        try:
            return Sentence(text)
        except ValueError as problem:
            if at_ns != self._refused_ns:  # else it was heard a moment ago, in the other way
                kept = f"'{self.sentence}' stays" if self.sentence else "there is none in use"
                self._node.report.event(f"{topics.INSTRUCTION}: {problem}; {kept}")
            self._refused_ns = at_ns
            return None

    def _compare(self, said: Said, publisher: bytes = b"") -> None:
        """Follow what was kept of before if it is the newest, once all that there is was heard."""
        newest = max((one for one in (self._said, self._kept) if one), key=lambda one: one.at_ns, default=None)
        if newest is not None and said.at_ns <= newest.at_ns:
            if said.sentence != newest.sentence:
                self._node.get_logger().info(f"instruction: '{said.sentence}' is older than '{newest.sentence}'")
        elif self._settled:
            self._follow(said, publisher, said.at_ns)
        else:
            self._kept = said

    def _settle(self) -> None:
        self._settling.cancel()
        self._settled = True
        kept, self._kept = self._kept, None
        if kept is not None:
            self._compare(kept)

    def _follow(self, said: Said, publisher: bytes, at_ns: int) -> None:
        if publisher:
            self._heard.pop(publisher, None)
            self._heard[publisher] = at_ns
            if len(self._heard) > _REMEMBERED:
                del self._heard[next(iter(self._heard))]
        if said.sentence != self.sentence:
            self._node.get_logger().info(f"instruction: {said.sentence}")
        self._said = said
        self._node.report.stands("instruction", None)
        self._tell()


class Announcement:
    """Gives the graph a sentence, and keeps it for who comes later, until somebody says another one: then it is not
    kept any more, so that nobody who comes back takes it for the newest.
    """

    def __init__(self, node: Node):
        self._node = node
        self._announced: str | None = None
        self._publisher = node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        node.create_subscription(String, topics.INSTRUCTION, self._on_instruction, topics.COMMAND)

    def give(self, sentence: str) -> None:
        """Announce the sentence."""
        self._announced = sentence
        self._publisher.publish(String(data=sentence))

    def _on_instruction(self, message: String) -> None:
        if self._announced is not None and message.data != self._announced:
            self._announced = None
            self._node.destroy_publisher(self._publisher)  # with what it kept
            self._publisher = self._node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)


def _publisher(info: MessageInfo) -> bytes:
    """Identity of who published; empty with rclpy before Kilted, which does not say."""
    gid = info.get("publisher_gid")
    return bytes(gid["data"]) if gid else b""
