"""The sentence that a node follows."""

from __future__ import annotations

from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.nodes.diagnostics import WARN
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.wire import topics


class Instruction:
    """Hears the instruction, refuses what is none, and says which one is in use: who starts an episode waits for it."""

    def __init__(self, node: ManagedNode):
        self._node = node
        self.sentence: Sentence | None = None
        self._in_use = node.create_lifecycle_publisher(String, f"~/{topics.INSTRUCTION_IN_USE}", topics.LATCHED)
        node.create_subscription(String, topics.INSTRUCTION, self._on_instruction, topics.LATCHED)

    def acknowledge(self) -> None:
        """Say which sentence the next plan follows."""
        if self.sentence is not None:
            self._in_use.publish(String(data=self.sentence.text))

    def wanted(self) -> Sentence | None:
        """The sentence to follow; that there is none is said, for somebody wants to follow one."""
        if self.sentence is None:
            self._node.report.problem("instruction", "images come, but no instruction has been given yet", WARN)
        return self.sentence

    def _on_instruction(self, message: String) -> None:
        try:
            given = Sentence(message.data)
        except ValueError as problem:
            kept = f"'{self.sentence}' stays" if self.sentence else "there is none in use"
            self._node.report.event(f"{topics.INSTRUCTION}: {problem}; {kept}")
            return
        if given != self.sentence:
            self._node.get_logger().info(f"instruction: {given}")
        self.sentence = given
        self._node.report.problem("instruction", None)
        self.acknowledge()
