"""Every topic of the graph in, a bag out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rclpy.logging import get_logger
from rclpy.qos import QoSProfile
from rosbags import interfaces as bags

from zipmo_ros.data.bag_writer import BagWriter, left_behind, new_folder
from zipmo_ros.nodes.all_topics import AllTopics, Raw
from zipmo_ros.nodes.diagnostics import WARN, Rate
from zipmo_ros.nodes.graph import RECORDER
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.run_facts import RunFacts
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.settings import RecorderParameters

LOOK_PERIOD = 0.2  # s between two looks at what has come


class RecorderNode(ManagedNode):
    """Writes what is published in its namespace, and what was needed to make it, from `begin` to `end`.

    The bag is closed on every way out that the process survives, and is in its place only then.
    """

    entry = RECORDER
    schema = RecorderParameters

    def __init__(self, **options: Any):
        self._writer: BagWriter | None = None
        self._topics: AllTopics | None = None
        self._bag: Path | None = None  # the newest one that is whole
        self._rate = Rate()
        super().__init__(**options)
        self._facts = RunFacts(self, self._describe)
        self.create_timer(LOOK_PERIOD, self._look, clock=self.steady)

    def begin(self) -> None:
        out = Path(self.settings.out)
        for path in left_behind(out):
            self.get_logger().warning(f"{path} is being written, or was left by a recording that was killed: "
                                      f"`zipmo record recover={path}` makes a bag of it")  # fmt: skip
        writer = BagWriter(new_folder(out, datetime.now()), self.settings.memory_mb * 2**20)
        self._writer = writer

        def accept(topic: str, kind: str, offered: Sequence[QoSProfile]) -> None:
            writer.declare(topic, kind, [_qos(profile) for profile in offered])

        self._topics = AllTopics(self, accept, self._on_message)
        self._describe()
        self._look()
        self.get_logger().info(f"recording {self.get_namespace()} to {writer.unfinished}")

    def end(self) -> None:
        if self._topics is not None:
            self._topics.close()
        self._finish()

    def close(self, timeout: float = 1.5) -> bool:
        """As for every node; what was heard is written first, however long that takes."""
        self._finish()
        return super().close(timeout)

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        say = get_logger("zipmo_ros")  # the node's own needs a context, which a signal has ended
        try:
            writer.describe({**self._facts.plain(), "drops": dict(writer.drops)})
            self._bag = writer.close()
        except Exception as error:
            say.error(f"the recording broke: {error}; what there is lies in {writer.unfinished}")
        else:
            dropped = f", {writer.drops.total()} dropped" if writer.drops else ""
            say.info(f"{self._bag}: {writer.written} messages{dropped}")

    def _look(self) -> None:
        if self.active and self._topics is not None:
            self._topics.look()
            self._facts.look()

    def _describe(self) -> None:
        if self._writer is not None:
            self._writer.describe(self._facts.plain())

    def _on_message(self, raw: Raw) -> None:
        if self._writer is None:
            return
        self._rate.tick()
        if not self._writer.add(*raw):
            self.report.event(f"{raw.topic}: the disk is too slow, or broken; message dropped")

    def check(self) -> None:
        error = self._writer and self._writer.error
        self.report.problem("disk", f"nothing is written any more: {error}" if error else None)
        refused = self._topics.refused if self._topics is not None else {}
        text = "; ".join(f"{topic} is not recorded: {why}" for topic, why in refused.items())
        self.report.problem("topics", text or None, WARN)

    def values(self) -> dict:
        writer = self._writer
        return {
            "rate_hz": self._rate.read(),
            "drops": writer.drops.total() if writer else 0,
            "messages": writer.written if writer else 0,
            "topics": len(self._topics) if self._topics is not None else 0,
            "bag": writer.unfinished if writer else self._bag,
        }


def _qos(profile: QoSProfile) -> bags.Qos:
    """As a bag tells it."""

    def seconds(duration: Any) -> bags.QosTime:
        return bags.QosTime(*divmod(duration.nanoseconds, 10**9))

    return bags.Qos(
        bags.QosHistory(int(profile.history)),
        profile.depth,
        bags.QosReliability(int(profile.reliability)),
        bags.QosDurability(int(profile.durability)),
        seconds(profile.deadline),
        seconds(profile.lifespan),
        bags.QosLiveliness(int(profile.liveliness)),
        seconds(profile.liveliness_lease_duration),
        profile.avoid_ros_namespace_conventions,
    )


def main(args: list[str] | None = None) -> int:
    return run(RecorderNode, args)


if __name__ == "__main__":
    sys.exit(main())
