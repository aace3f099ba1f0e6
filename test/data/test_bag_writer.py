"""Bags: written in a thread, whole or not in their place, and recovered from a killed recording."""

import shutil
import subprocess
import sys
import threading
from datetime import datetime

import pytest

pytest.importorskip("rosbags")

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores, get_typestore

from zipmo_ros.data.bag_writer import UNFINISHED, BagWriter, left_behind, new_folder, recover

STORE = get_typestore(Stores.ROS2_KILTED)
STRING = "std_msgs/msg/String"


def text(words: str) -> bytes:
    return bytes(STORE.serialize_cdr(STORE.types[STRING](data=words), STRING))


def read(folder):
    with AnyReader([folder]) as bag:
        return [(c.topic, t, bag.deserialize(data, c.msgtype).data) for c, t, data in bag.messages()]


def test_a_bag_is_in_its_place_once_it_is_whole(tmp_path):
    writer = BagWriter(tmp_path / "run", memory=1000)
    writer.declare("/said", STRING, [])
    writer.describe({"seed": 0})
    assert all(writer.add("/said", 10 + i, text(f"word {i}")) for i in range(20))
    assert not (tmp_path / "run").exists()
    assert writer.close() == tmp_path / "run"
    assert read(tmp_path / "run") == [("/said", 10 + i, f"word {i}") for i in range(20)]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["metadata.yaml", "run.json", "run.mcap"]
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    with pytest.raises(FileExistsError):
        BagWriter(tmp_path / "run", memory=1)


def test_what_the_disk_is_too_slow_for_is_dropped_and_counted(tmp_path, monkeypatch):
    go, began, write = threading.Event(), threading.Event(), Writer.write

    def slow(self, *message):
        began.set()
        go.wait(10)
        write(self, *message)

    monkeypatch.setattr(Writer, "write", slow)
    size = len(text("12345"))
    writer = BagWriter(tmp_path / "run", memory=3 * size)
    writer.declare("/said", STRING, [])
    writer.add("/said", 0, text("12345"))
    assert began.wait(10)
    taken = [writer.add("/said", i, text("12345")) for i in range(1, 6)]
    assert taken == [True] * 2 + [False] * 3
    assert writer.drops == {"/said": 3}
    go.set()
    assert [t for _, t, _ in read(writer.close())] == [0, 1, 2]


def test_a_full_disk_ends_the_recording_and_is_told(tmp_path, monkeypatch):
    def full(self, *message):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "write", full)
    writer = BagWriter(tmp_path / "run", memory=1000)
    writer.declare("/said", STRING, [])
    writer.add("/said", 0, text("lost"))
    with pytest.raises(OSError, match="No space left"):
        writer.close()
    assert not (tmp_path / "run").exists()
    assert not writer.add("/said", 1, text("lost too"))


KILLED = """
import os, signal, sys, time
from pathlib import Path
from zipmo_ros.data.bag_writer import BagWriter
from rosbags.typesys import Stores, get_typestore
store = get_typestore(Stores.ROS2_KILTED)
writer = BagWriter(Path(sys.argv[1]), memory=10**8)
writer.declare("/said", "std_msgs/msg/String", [])
writer.describe({"seed": 3})
for i in range(int(sys.argv[2])):
    data = store.serialize_cdr(store.types["std_msgs/msg/String"](data=f"{i:06}" * 20000), "std_msgs/msg/String")
    writer.add("/said", i, bytes(data))
while writer.written < int(sys.argv[2]): time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder, messages):
    run = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(messages)], capture_output=True, check=False)
    assert run.returncode == -9, run.stderr.decode()


def test_what_a_killed_recording_left_is_recovered(tmp_path):
    killed(tmp_path / "run", 40)  # of 117 KiB each
    assert [p.name for p in left_behind(tmp_path)] == ["run"]
    folder, count = recover(tmp_path / UNFINISHED / "run")
    assert folder == tmp_path / "run-recovered"
    assert 40 - 2 * 9 <= count < 40  # all but what had not filled a chunk, and the end of the last one
    assert [t for _, t, _ in read(folder)] == list(range(count))
    assert (folder / "run.json").read_text() == '{\n "seed": 3\n}\n'
    assert not left_behind(tmp_path)


def test_what_can_not_be_recovered_is_told(tmp_path):
    killed(tmp_path / "run", 1)
    with pytest.raises(ValueError, match="no whole message"):
        recover(tmp_path / UNFINISHED / "run")
    with pytest.raises(ValueError, match="no unfinished bag"):
        recover(tmp_path)


def test_folders_are_named_by_the_time_and_never_shared(tmp_path):
    now = datetime(2026, 1, 2, 3, 4, 5)
    first = new_folder(tmp_path, now)
    assert first.name == "20260102-030405"
    BagWriter(first, memory=1)
    assert new_folder(tmp_path, now).name == "20260102-030405-2"


def test_types_of_other_packages_are_learnt_from_their_definitions(tmp_path, monkeypatch):
    folder = tmp_path / "share/arm_msgs/msg"
    folder.mkdir(parents=True)
    (folder / "Mode.msg").write_text("std_msgs/Header header\nLimit[] limits\nuint8 mode\n")
    (folder / "Limit.msg").write_text("float64 least\nfloat64 most\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    writer = BagWriter(tmp_path / "run", memory=1000)
    writer.declare("/mode", "arm_msgs/msg/Mode", [])
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match="definition of arm_msgs/msg/Other is not found"):
        writer.declare("/other", "arm_msgs/msg/Other", [])
    store = get_typestore(Stores.ROS2_KILTED)
    assert "arm_msgs/msg/Mode" not in store.fielddefs  # each writer has its own
    assert writer.close().is_dir()
