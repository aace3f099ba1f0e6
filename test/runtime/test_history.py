"""The past of one input."""

import pytest

from zipmo_ros.runtime.history import History

SECOND = 10**9


def test_it_lasts_as_long_at_any_rate():
    """A plan of half a second ago finds the joint state that it was made at, also where they come at 500 Hz."""
    for rate in (20, 500):
        history = History(2 * SECOND)
        for k in range(4 * rate):
            history.add(k * SECOND // rate, k)
        newest = (4 * rate - 1) * SECOND // rate
        assert history.newest_ns == newest
        assert history.nearest(newest - SECOND // 2) == 4 * rate - 1 - rate // 2
        assert history.nearest(0) == pytest.approx(2 * rate, abs=1)  # what is older is forgotten


def test_nearest_and_exact():
    history = History(SECOND)
    assert history.newest is history.nearest(5) is history.at(5) is None
    for stamp in (10, 20, 30):
        history.add(stamp, str(stamp))
    assert history.at(20) == "20"
    assert history.at(21) is None
    assert history.nearest(21) == "20"
    assert history.nearest(25) == "20"  # the earlier of two
    assert history.nearest(26) == "30"
    assert history.nearest(99) == "30"
    assert history.nearest(99, within_ns=60) is None
    history.add(30, "again")
    assert history.newest == "again"
    with pytest.raises(ValueError, match="after one of 30 ns; clear"):
        history.add(29, "late")
    history.clear()
    history.add(1, "anew")
    assert history.newest_ns == 1
