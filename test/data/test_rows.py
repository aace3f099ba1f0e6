"""Large arrays stay on disk: indices mean what they mean to tensors, memory does not grow, no half of a file counts."""

import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from zipmo_ros.data import rows
from zipmo_ros.data.batches import WindowBatches
from zipmo_ros.data.rows import Rows, unpack
from zipmo_ros.data.windows import DemonstrationWindows

LARGE = ("images", "tracks", "visible", "moving")
INDICES = {
    "row": 3,
    "last": -1,
    "slice": slice(2, 9, 3),
    "rows": torch.tensor([7, 0, 7]),
    "mask": torch.arange(10) % 3 == 0,
    "rows and a view": (torch.tensor([7, 0]), 1),
    "rows and views": (torch.tensor([7, 0, 9]), torch.tensor([1, 0, 0])),
    "rows, a view, points": (torch.tensor([7, 0]), 1, slice(2, None)),
    "a row's sample": (4, slice(None), slice(None), 2),
    "a row's sample, an axis more": (4, slice(None), slice(None), 2, None),
    "a sample of rows": (slice(0, 4), slice(None), slice(None), 1),
    "one number": (4, 1, 2, 3),
}


@pytest.mark.parametrize("name", INDICES)
def test_an_index_means_what_it_means_to_a_tensor(name, tmp_path):
    whole = np.random.default_rng(0).normal(size=(10, 2, 5, 4)).astype(np.float16)
    parts = [unpack(tmp_path / f"{a}.npy", whole[a:b].shape, "float16", [whole[a:b]]) for a, b in ((0, 4), (4, 10))]
    lazy, tensor = Rows(parts, whole.shape[1:], "float16"), torch.from_numpy(whole)
    assert (lazy.shape, lazy.dtype, len(lazy)) == (tensor.shape, tensor.dtype, len(tensor))
    assert torch.equal(lazy[INDICES[name]], tensor[INDICES[name]])
    with pytest.raises(IndexError):
        lazy[10]


def test_unpacked_and_direct_reading_give_the_same_batches(demonstrations, tmp_path):
    direct = DemonstrationWindows.load(demonstrations)
    loads = [DemonstrationWindows.load(demonstrations, cache=tmp_path) for _ in range(2)]  # unpacks, then finds
    assert len(list(tmp_path.glob("*.npy"))) == 2 * len(LARGE)

    def batches(windows):
        def collate(chosen, generator):
            return [getattr(windows, name)[chosen] for name in LARGE], torch.rand(2, generator=generator)

        return WindowBatches(windows.split()[0], 5, 3, collate)

    for _, expected, *others in zip(range(4), batches(direct), *map(batches, loads), strict=False):
        for large, noise in others:
            assert torch.equal(noise, expected[1])
            assert all(torch.equal(mine, wanted) for mine, wanted in zip(large, expected[0], strict=True))


def test_only_what_is_wanted_is_unpacked(demonstrations, tmp_path):
    DemonstrationWindows.load(demonstrations, images=False, tracks=False, cache=tmp_path)
    assert not list(tmp_path.iterdir())
    DemonstrationWindows.load(demonstrations, tracks=False, cache=tmp_path)
    assert {path.name.split("-")[0] for path in tmp_path.glob("*.npy")} == {"images"}


@pytest.mark.parametrize("failure", [RuntimeError("killed"), KeyboardInterrupt()])
def test_an_interrupted_file_does_not_exist(failure, tmp_path):
    def blocks(fails):
        yield np.ones((2, 3), np.float32)
        if fails:
            raise failure
        yield np.zeros((2, 3), np.float32)

    with pytest.raises(type(failure)):
        unpack(tmp_path / "a.npy", (4, 3), "float32", blocks(fails=True))
    assert not list(tmp_path.glob("a*"))
    (tmp_path / "a.partial").write_bytes(b"left by a process that was killed")
    assert len(unpack(tmp_path / "a.npy", (4, 3), "float32", blocks(fails=False))) == 4
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy")[:, 0], [1, 1, 0, 0])


def test_a_full_disk_is_said_with_advice(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ValueError, match=r"no room in .* 0.40 GB .* cache="):
        unpack(tmp_path / "a.npy", (10**8,), "float32", [])
    assert not list(tmp_path.glob("a*"))


def test_a_file_that_was_cut_off_is_an_error(tmp_path):
    part = unpack(tmp_path / "a.npy", (4, 3), "float32", [np.ones((4, 3), np.float32)])
    os.truncate(tmp_path / "a.npy", (tmp_path / "a.npy").stat().st_size - 8)
    with pytest.raises(OSError, match=r"a\.npy ends before row 3"):
        Rows([part], (3,), "float32")[3]


def _unpack_and_count(path, started, wrote):
    def blocks():
        with wrote.get_lock():
            wrote.value += 1
        yield np.ones((1000, 1000), np.float32)

    started.wait()
    unpack(path, (1000, 1000), "float32", blocks())


def test_two_processes_write_a_file_once(tmp_path):
    context = multiprocessing.get_context("fork")
    started, wrote = context.Event(), context.Value("i", 0)
    both = [context.Process(target=_unpack_and_count, args=(tmp_path / "a.npy", started, wrote)) for _ in range(2)]
    for process in both:
        process.start()
    started.set()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert wrote.value == 1
    assert np.load(tmp_path / "a.npy").all()


MEASURE = """
import sys
from zipmo_ros.data.batches import WindowBatches
from zipmo_ros.data.windows import DemonstrationWindows
LARGE = ("images", "tracks", "visible", "moving")

def memory(*names):
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return [int(lines[name].split()[0]) * 1024 for name in names]

windows = DemonstrationWindows.load(sys.argv[1], cache=sys.argv[2])
batches = WindowBatches(windows.split()[0], 24, 0, lambda chosen, _: [getattr(windows, name)[chosen] for name in LARGE])
anonymous = 0
for _ in range(2 * len(windows) // 24):
    next(batches)
    anonymous = max(anonymous, *memory("RssAnon"))
print(len(windows), *memory("VmHWM"), anonymous)
"""


def test_memory_does_not_grow_with_the_data(write, tmp_path):
    """Peak of a process that unpacks and goes twice through everything, and its anonymous part."""
    measured = []
    for times in (1, 4):
        folder = write(tmp_path / f"data{times}", demos=3 * times, first_state=100)
        command = [sys.executable, "-c", MEASURE, str(folder), str(tmp_path / f"cache{times}")]
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(rows.__file__).parents[2])
        measured.append(np.array(run.stdout.split(), dtype=np.int64))
    windows, peak, anonymous = measured[1] - measured[0]
    added = windows * sum(np.load(path, mmap_mode="r")[0].nbytes for path in (tmp_path / "cache1").glob("*-*.npy")) / 2
    assert added > 25e6
    assert peak < 0.1 * added
    assert anonymous < 0.1 * added
