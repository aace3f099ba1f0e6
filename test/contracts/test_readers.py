"""What every Reader of the contract promises. A new format adds itself to READERS."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from zipmo_ros.contract.protocols import Demonstration, Reader
from zipmo_ros.data import schema
from zipmo_ros.data.readers.demonstrations import DemonstrationReader


class Case(NamedTuple):
    """make: writes two episodes or more below a folder. spoils: ways to break a file of it, each gives its path."""

    reader: Callable[[], Reader]
    make: Callable[[Path, Callable], None]
    spoils: tuple[Callable[[Path], Path], ...]


def _file(folder):
    return sorted(folder.rglob(f"*{schema.SUFFIX}"))[0]


def _not_hdf5(folder):
    _file(folder).write_bytes(b"no such format")
    return _file(folder)


def _edit(change):
    def spoil(folder):
        with h5py.File(_file(folder), "a") as file:
            change(file[f"{schema.DATA}/{schema.DEMO.format(0)}"])
        return _file(folder)

    return spoil


def _replace(name, change):
    def replace(demo):
        values = change(demo[name][()])
        del demo[name]
        demo[name] = values

    return _edit(replace)


READERS = {
    "demonstrations": Case(
        DemonstrationReader,
        lambda folder, write: write(folder, demos=2, steps=6),
        (
            _not_hdf5,
            _edit(lambda demo: demo.pop("tracks/agentview")),
            _edit(lambda demo: demo.pop("actions")),
            _edit(lambda demo: demo.attrs.update(orientation="raw")),
            _replace("actions", lambda actions: actions[:-1]),
            _replace("actions", lambda actions: actions * np.nan),
            _replace("actions", lambda actions: actions + 2),
            _replace("obs/joint_states", lambda joints: joints + np.float32(np.inf)),
            _replace(schema.RENDER_STEPS, lambda steps: steps[::-1]),
            _replace(schema.RENDER_STEPS, lambda steps: steps + np.int32(2)),
            _replace(schema.RENDER_STEPS, lambda steps: steps.astype(np.float64)),
        ),
    )
}


@pytest.fixture(params=READERS, scope="module")
def made(request, tmp_path_factory):
    from synthetic_demonstrations import write_suite

    case = READERS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    case.make(folder, write_suite)
    return case.reader(), folder


def test_episodes_are_what_the_contract_says(made):
    reader, folder = made
    episodes = list(reader.episodes(folder))
    assert len(episodes) >= 2
    for episode in episodes:
        assert isinstance(episode, Demonstration)
        assert episode.instruction.strip()
        total = len(episode.actions)
        assert episode.actions.shape == (total, 7)
        assert episode.actions.dtype == np.float64
        assert np.abs(episode.actions).max() <= 1
        assert episode.proprio.shape[0] == total
        assert episode.proprio.dtype == np.float32
        assert np.isfinite(episode.proprio).all()
        steps = episode.image_steps
        assert np.issubdtype(steps.dtype, np.integer)
        assert 0 <= steps[0] < steps[-1] < total
        assert (np.diff(steps) > 0).all()
        assert episode.images
        for images in episode.images.values():
            assert images.dtype == np.uint8
            assert images.shape == (len(steps), *images.shape[1:3], 3)
    assert len({episode.name for episode in episodes}) == len(episodes)


def test_the_order_is_fixed(made):
    reader, folder = made
    for first, again in zip(reader.episodes(folder), reader.episodes(folder), strict=True):
        assert first.name == again.name
        np.testing.assert_array_equal(first.actions, again.actions)
        for view, images in first.images.items():
            np.testing.assert_array_equal(images, again.images[view])


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, case in READERS.items() for n in range(len(case.spoils))]
)
def test_a_broken_file_is_named(name, number, write, tmp_path):
    case = READERS[name]
    case.make(tmp_path, write)
    broken = case.spoils[number](tmp_path)
    with pytest.raises(ValueError, match=str(broken)):
        list(case.reader().episodes(tmp_path))


def test_an_episode_is_read_when_it_is_asked_for(made):
    """Not the whole data set at once."""
    reader, folder = made
    assert len(list(itertools.islice(reader.episodes(folder), 1))) == 1


def test_our_reader_gives_what_was_written(demonstrations):
    from synthetic_demonstrations import make_demo

    written = make_demo(19, "blue", seed=100)
    first = next(iter(DemonstrationReader().episodes(demonstrations)))
    assert first.name == "synthetic/reach_the_blue_block/demo_0"
    assert (first.instruction, first.attributes["init_state"]) == ("reach the blue block", 19)
    np.testing.assert_array_equal(first.actions, written.arrays["actions"])
    for view, images in first.images.items():
        np.testing.assert_array_equal(images, written.arrays[schema.IMAGES.format(view=view)])
