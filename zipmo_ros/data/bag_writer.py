"""Writes what travels into a bag as `ros2 bag` knows it: a folder of raw MCAP and metadata.yaml.

A folder in its place is whole. While it is written it lies below `unfinished/`, beside that place; what a killed
recording left there, all but the last MiB, is made a bag of its own by `recover`.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from rosbags.interfaces import Qos
from rosbags.interfaces.typing import Typesdict
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

RUN_FILE = "run.json"  # what was recorded of the run itself
UNFINISHED = "unfinished"


class _DeclaredTopic(NamedTuple):
    name: str
    kind: str
    definition: str
    digest: str
    qos: Sequence[Qos]


class _Message(NamedTuple):
    topic: str
    received_ns: int
    data: bytes


class BagWriter:
    """Writes messages in a thread of its own, so that a slow disk delays nobody; the caller takes no lock either.

    memory: bytes of messages that may wait for the disk; what comes while they do is dropped and counted.
    Raises FileExistsError where the bag is there already, finished or not.
    """

    def __init__(self, folder: Path, memory: int):
        self.folder = folder
        self.unfinished = folder.parent / UNFINISHED / folder.name
        if folder.exists() or self.unfinished.exists():
            raise FileExistsError(f"there is a bag '{folder}' already, or an unfinished one of that name")
        self._memory = memory
        self._store = get_typestore(Stores.ROS2_KILTED)
        self._writer = open_bag(self.unfinished)
        self._waiting: SimpleQueue[_DeclaredTopic | _Message | None] = SimpleQueue()  # None: the end
        self._taken = self._done = 0  # bytes that were to be written, and that were; each one's thread counts its own
        self.drops: Counter[str] = Counter()  # by topic
        self.written = 0  # messages
        self.error: Exception | None = None  # why nothing is written any more
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    def declare(self, topic: str, kind: str, qos: Sequence[Qos]) -> None:
        """Say what a topic carries, as in "std_msgs/msg/String", before its first message. Raises ValueError for a
        type whose definition is not found.
        """
        learn_type(self._store, kind)
        definition, _ = self._store.generate_msgdef(kind, ros_version=2)
        self._waiting.put(_DeclaredTopic(topic, kind, definition, self._store.hash_rihs01(kind), qos))

    def add(self, topic: str, received_ns: int, data: bytes) -> bool:
        """Have a serialised message written; False where it was dropped."""
        if self.error is not None or self._taken - self._done + len(data) > self._memory:
            self.drops[topic] += 1
            return False
        self._taken += len(data)
        self._waiting.put(_Message(topic, received_ns, data))
        return True

    def describe(self, run: dict[str, Any]) -> None:
        """Store what is known of the run beside the messages; may be called again."""
        write_run(self.unfinished, run)

    def close(self) -> Path:
        """Write what waits, and put the bag in its place; its folder. Raises what kept it from being written."""
        self._waiting.put(None)
        self._thread.join()
        if self.error is not None:
            self._writer.abort()
            raise self.error
        self._writer.close()
        return put_in_place(self.unfinished)

    def _run(self) -> None:
        connections: dict[str, Any] = {}
        while (entry := self._waiting.get()) is not None:
            try:
                if self.error is None and isinstance(entry, _DeclaredTopic):
                    connections[entry.name] = self._writer.add_connection(
                        entry.name,
                        entry.kind,
                        msgdef=entry.definition,
                        rihs01=entry.digest,
                        offered_qos_profiles=entry.qos,
                    )
                elif self.error is None and isinstance(entry, _Message):
                    self._writer.write(connections[entry.topic], entry.received_ns, entry.data)
                    self.written += 1
            except Exception as error:  # a full disk, say: the recording ends here
                self.error = error
            if isinstance(entry, _Message):
                self._done += len(entry.data)


def open_bag(folder: Path) -> Writer:
    """A new bag of raw MCAP, open for writing."""
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.open()
    return writer


def write_run(folder: Path, run: dict[str, Any]) -> None:
    """Write the description so that it is either whole or the one before."""
    beside = folder / f"{RUN_FILE}.tmp"
    beside.write_text(json.dumps(run, indent=1) + "\n")
    beside.replace(folder / RUN_FILE)


def put_in_place(unfinished: Path) -> Path:
    """Move a finished bag out of `unfinished/`, in one step; where it is now."""
    folder = unfinished.parent.parent / unfinished.name
    unfinished.rename(folder)
    if not any(unfinished.parent.iterdir()):
        unfinished.parent.rmdir()
    return folder


def new_folder(out: Path, now: datetime) -> Path:
    """A folder for a bag below `out`, named by the time, that is not there yet."""
    name, number = now.strftime("%Y%m%d-%H%M%S"), 1
    folder = out / name
    while folder.exists() or (out / UNFINISHED / folder.name).exists():
        number += 1
        folder = out / f"{name}-{number}"
    return folder


def left_behind(out: Path) -> list[Path]:
    """Unfinished bags below `out`: being written now, or of recordings that were killed."""
    return sorted(path for path in (out / UNFINISHED).glob("*") if path.is_dir())


def learn_type(store: Typestore, kind: str) -> None:
    """Have the store know a message type: from itself, or from the definitions that ROS packages install.

    Raises ValueError where it, or one that it is made of, is not found.
    """
    wanted = [kind]
    while wanted:
        name = wanted.pop()
        if name in store.fielddefs:
            continue
        package, _, message = name.split("/")
        files = [Path(prefix, "share", package, "msg", f"{message}.msg") for prefix in _prefixes()]
        text = next((file.read_text() for file in files if file.is_file()), None)
        if text is None:
            raise ValueError(f"the definition of {name} is not found")
        found = get_types_from_msg(text, name)
        wanted += sorted(_parts(found) - found.keys())
        store.register(found)


def _prefixes() -> list[str]:
    return [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]


def _parts(types: Typesdict) -> set[str]:
    """Names of the messages that fields of these types are of."""
    names: set[str] = set()

    def walk(what: Any) -> None:
        if isinstance(what, str) and what.count("/") == 2:
            names.add(what)
        elif isinstance(what, tuple):
            for part in what:
                walk(part)

    for _, fields in types.values():
        for _, described in fields:
            walk(described)
    return names


def recover(unfinished: Path) -> tuple[Path, int]:
    """Make a bag of what a killed recording left; its folder and how many messages it has.

    Raises ValueError where nothing of it can be read.
    """
    (left,) = unfinished.glob("*.mcap") if unfinished.parent.name == UNFINISHED else [None]
    if left is None:
        raise ValueError(f"'{unfinished}' is no unfinished bag: those lie below {UNFINISHED}/")
    whole = unfinished.with_name(f"{unfinished.name}-recovered")
    shutil.rmtree(whole, ignore_errors=True)  # of an attempt that was cut off
    count, writer, connections = 0, open_bag(whole), {}
    store = get_typestore(Stores.ROS2_KILTED)
    for topic, kind, definition, received_ns, data in _readable(left):
        if topic not in connections:
            if kind not in store.fielddefs:
                store.register(get_types_from_msg(definition, kind))
            connections[topic] = writer.add_connection(topic, kind, typestore=store)
        writer.write(connections[topic], received_ns, data)
        count += 1
    writer.close()
    if not count:
        shutil.rmtree(whole)
        raise ValueError(f"'{unfinished}' holds no whole message: it was killed before the first MiB was written")
    if (unfinished / RUN_FILE).is_file():
        shutil.copy(unfinished / RUN_FILE, whole)
    folder = put_in_place(whole)
    shutil.rmtree(unfinished)
    return folder, count


def _readable(file: Path) -> Iterator[tuple[str, str, str, int, bytes]]:
    """(topic, type, its definition, time of receipt, message) of an MCAP file up to where it breaks off."""
    from mcap.exceptions import McapError
    from mcap.records import Channel, Message, Schema
    from mcap.stream_reader import StreamReader

    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with file.open("rb") as stream:
        try:
            for record in StreamReader(stream).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    schema = schemas[channel.schema_id]
                    yield channel.topic, schema.name, schema.data.decode(), record.log_time, record.data
        except (McapError, struct.error):  # here it was cut off
            return
