"""What a planner says of the sentences that it was told, heard from outside."""

from __future__ import annotations

import json
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from zipmo_ros.contract.goal import Sentence, goal_to_plain
from zipmo_ros.contract.plan import Verdict
from zipmo_ros.nodes.wire import topics


class Verdicts:
    """Listens to what accompanies plans."""

    def __init__(self, node: Node):
        self._info: dict[str, Any] = {}
        self._before: int | None = None
        node.create_subscription(String, topics.PLAN_INFO, self._on_info, topics.LATCHED)

    @property
    def heard(self) -> bool:
        """Whether anything was planned for."""
        return bool(self._info)

    @property
    def newest(self) -> Verdict | None:
        """On what was planned for last; None where nothing was, or nobody can tell."""
        return Verdict(**verdict) if (verdict := self._info.get("verdict")) else None

    def forget(self) -> None:
        """What was judged so far is none of our business: a sentence is about to be said."""
        newest = self.newest
        self._before = None if newest is None else newest.judged_ns

    def told(self, sentence: str) -> bool:
        """Whether there was a plan for a sentence since `forget`."""
        newest = self.newest
        known = newest is not None and newest.judged_ns == self._before
        return self._info.get("goal") == goal_to_plain(Sentence(sentence)) and not known

    def refusal(self, sentence: str) -> str | None:
        """Why a sentence is not followed; None where it is, or nobody knows yet."""
        verdict = self.newest
        if verdict is None or verdict.clear or not self.told(sentence):
            return None
        return f"not understood ({verdict.understood:.2f})" + ("; the arm holds" if verdict.refused else "")

    def _on_info(self, message: String) -> None:
        self._info = json.loads(message.data)
