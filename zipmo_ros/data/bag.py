"""Reads bags without ROS: messages, and observations as the models look at them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from zipmo_ros.data.bag_writer import RUN_FILE, UNFINISHED


class Heard(NamedTuple):
    """A message with the fields of its ROS type. received_ns: when the recorder got it, by the system's clock."""

    topic: str
    received_ns: int
    message: Any


class Bag:
    """A recording. run: what was recorded of the run itself (empty for a bag of somebody else's).

    namespace: of the nodes whose topics it holds, "/" without one. Raises FileNotFoundError or ValueError, saying what
    to do, for what is no bag, or no whole one.
    """

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no bag '{folder}'")
        if not (folder / "metadata.yaml").is_file():
            hint = f"; make it whole with `zipmo record recover={folder}`" if folder.parent.name == UNFINISHED else ""
            raise ValueError(f"'{folder}' is no whole bag: it lacks metadata.yaml{hint}")
        self.folder = folder
        file = folder / RUN_FILE
        self.run: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
        self.namespace: str = self.run.get("namespace", "/")

    def full_name(self, topic: str) -> str:
        """What a topic of the nodes is called in this bag: relative names lie below the namespace."""
        return topic if topic.startswith("/") else f"{self.namespace.rstrip('/')}/{topic}"

    def counts(self) -> dict[str, int]:
        """Messages by topic."""
        with self._open() as reader:
            return {topic: info.msgcount for topic, info in sorted(reader.topics.items())}

    def messages(self, *topics: str) -> Iterator[Heard]:
        """The messages of these topics (as the nodes name them), in the order in which they were received.

        What a message carries is found in the bag itself. Raises ValueError for a file that is broken.
        """
        named = {self.full_name(topic): topic for topic in topics}
        with self._open() as reader:
            wanted = [connection for connection in reader.connections if connection.topic in named]
            if not wanted:  # an empty list would mean all
                return
            for connection, received_ns, data in reader.messages(wanted):
                message = reader.deserialize(data, connection.msgtype)
                yield Heard(named[connection.topic], received_ns, message)

    def _open(self) -> AnyReader:
        try:
            return AnyReader([self.folder], default_typestore=get_typestore(Stores.ROS2_KILTED))
        except AnyReaderError as error:
            raise ValueError(f"'{self.folder}' can't be read: {error}") from error
