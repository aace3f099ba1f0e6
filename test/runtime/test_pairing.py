"""What belongs to one moment."""

from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.runtime.pairing import Pairing


def test_all_sources_of_one_stamp_in_their_order():
    pairing = Pairing(("left", "right"))
    assert pairing.add("right", 1, "r1") is None
    assert list(pairing.add("left", 1, "l1").items()) == [("left", "l1"), ("right", "r1")]
    assert pairing.add("left", 2, "l2") is None
    assert pairing.at(1) is None  # depth 1: the newest alone is kept
    assert pairing.add("left", 1, "again") == {"left": "again", "right": "r1"}
    pairing.reset()
    assert pairing.add("right", 1, "r1") is None


@given(st.permutations([(source, stamp) for source in ("a", "b", "c") for stamp in range(4)]))
def test_with_room_for_all_every_moment_is_whole_once(order):
    pairing, whole = Pairing(("a", "b", "c"), depth=4), []
    for source, stamp in order:
        if (values := pairing.add(source, stamp, (source, stamp))) is not None:
            assert set(values.values()) == {("a", stamp), ("b", stamp), ("c", stamp)}
            whole.append(stamp)
    assert sorted(whole) == [0, 1, 2, 3]
