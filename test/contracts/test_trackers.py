"""What every Tracker of the contract promises. A new one adds itself to TRACKERS."""

import numpy as np
import pytest

from zipmo_ros.contract.protocols import Tracker
from zipmo_ros.data.trackers.opencv import LucasKanade

TRACKERS: dict[str, type[Tracker]] = {"LucasKanade": LucasKanade}
SHIFT = np.array([1.5, -2.25])  # pixels (down, right) a frame
SIZE = (96, 128)


@pytest.fixture(params=TRACKERS)
def tracker(request):
    return TRACKERS[request.param]()


def pattern(frames, shift=SHIFT):
    """Smooth waves that move by `shift` a frame, uint8 [T, H, W, 3]."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(-0.6, 0.6, (12, 2)), rng.uniform(0, 6, 12)
    row, column = np.meshgrid(*map(np.arange, SIZE), indexing="ij")

    def frame(number):
        y, x = row - number * shift[0], column - number * shift[1]
        value = sum(np.sin(a * y + b * x + phase) for (a, b), phase in zip(*waves, strict=True))
        return np.repeat((128 + 18 * value).clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)

    return np.stack([frame(number) for number in range(frames)])


def test_points_are_followed(tracker):
    queries = np.random.default_rng(1).uniform(-0.6, 0.6, (20, 2)).astype(np.float32)
    asked, frames = queries.copy(), pattern(6)
    kept = frames.copy()
    tracks, visible = tracker.track(frames, queries)
    np.testing.assert_array_equal(queries, asked)
    np.testing.assert_array_equal(frames, kept)
    assert tracks.shape == (20, 6, 2)
    assert (tracks.dtype, visible.dtype) == (np.float32, np.bool_)
    assert visible.shape == (20, 6)
    np.testing.assert_array_equal(tracks[:, 0], queries)
    moved = np.arange(6)[:, None] * SHIFT * 2 / SIZE
    assert visible.mean() > 0.9
    error = np.linalg.norm((tracks - queries[:, None] - moved) * SIZE / 2, axis=-1)
    assert error[visible].max() < 0.5


def test_what_leaves_the_frame_is_not_visible(tracker):
    queries = np.array([[0.0, -0.97], [0.0, 0.5], [0.2, 1.4]], np.float32)
    tracks, visible = tracker.track(pattern(8), queries)
    assert visible[0, 0]
    assert not visible[0, -1]
    assert visible[1].all()
    assert not visible[2].any()
    assert np.isfinite(tracks).all()


def test_what_can_not_be_found_again_is_not_visible(tracker):
    """The scene is another one from one frame to the next."""
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    _, visible = tracker.track(frames, rng.uniform(-0.8, 0.8, (40, 2)).astype(np.float32))
    assert visible[:, 1].mean() < 0.3


def test_no_points_and_one_frame(tracker):
    tracks, visible = tracker.track(pattern(3), np.empty((0, 2), np.float32))
    assert (tracks.shape, visible.shape) == ((0, 3, 2), (0, 3))
    tracks, visible = tracker.track(pattern(1), np.zeros((2, 2), np.float32))
    assert (tracks.shape, visible.all()) == ((2, 1, 2), True)
