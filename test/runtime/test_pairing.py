"""What belongs to one moment."""

from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.runtime.pairing import ApproximatePairing, Pairing


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


MS = 10**6


def moments(pairing, arrivals):
    """(stamp, {source: stamp of its value}) in ms, of every moment that these (source, stamp) in ms make."""
    made = (pairing.add(source, int(stamp * MS), int(stamp * MS)) for source, stamp in arrivals)
    return [(m.stamp_ns / MS, {source: at / MS for source, at in m.values.items()}) for m in made if m]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.data())
def test_equal_stamps_are_paired_exactly_whatever_the_bound(gaps, data):
    """As in lockstep: every moment once, when its last view comes, and again if it is sent again."""
    pairing, stamp = ApproximatePairing(("a", "b"), skew_ns=25 * MS), 0
    for gap in gaps:
        stamp += 50 * gap  # 0: sent again
        first, second = data.draw(st.permutations(("a", "b")))
        again = gap == 0 and stamp in {at / MS for at in pairing._held["a"]}
        both = {"a": stamp, "b": stamp}
        assert moments(pairing, [(first, stamp)]) == ([(stamp, both)] if again else [])
        assert moments(pairing, [(second, stamp)]) == [(stamp, both)]


def test_cameras_that_are_a_nanosecond_apart_are_paired():
    pairing = ApproximatePairing(("a", "b"), skew_ns=25 * MS)
    assert pairing.add("a", 50 * MS, "left") is None
    moment = pairing.add("b", 50 * MS + 1, "right")
    assert moment == (50 * MS, {"a": "left", "b": "right"}, 1)


def test_rates_and_phases_that_differ():
    pairing = ApproximatePairing(("a", "b"), skew_ns=25 * MS)
    fast = [("a", 10 * n) for n in range(31)]
    slow = [("b", 3 + 100 * n) for n in range(3)]
    arrivals = sorted(fast + slow, key=lambda arrival: arrival[1])
    # The slow camera sets the pace, each with what is nearest of the other.
    assert moments(pairing, arrivals) == [(at, {"a": at, "b": at + 3}) for at in (0, 100, 200)]
    beside = sorted([(name, phase + 33 * n) for n in range(4) for name, phase in (("a", 0), ("b", 10))],
                    key=lambda arrival: arrival[1])  # fmt: skip
    pairing.reset()
    assert moments(pairing, beside) == [(at, {"a": at, "b": at + 10}) for at in (0, 33, 66, 99)]


def test_cameras_that_take_turns_make_a_moment_of_every_image():
    pairing = ApproximatePairing(("a", "b"), skew_ns=60 * MS)
    turns = [("a", 0), ("b", 50), ("a", 100), ("b", 150), ("a", 200)]
    assert moments(pairing, turns) == [
        (0, {"a": 0, "b": 50}), (50, {"a": 100, "b": 50}), (100, {"a": 100, "b": 150}), (150, {"a": 200, "b": 150}),
    ]  # fmt: skip


def test_what_is_too_far_apart_is_no_moment_and_says_how_far():
    pairing = ApproximatePairing(("a", "b"), skew_ns=25 * MS)
    assert moments(pairing, [("a", 0), ("b", 500), ("a", 50), ("b", 550), ("a", 100)]) == []
    assert pairing.apart_ns == 400 * MS
    pairing.skew_ns = 400 * MS
    assert moments(pairing, [("b", 600), ("a", 150)]) == [(150, {"a": 150, "b": 500})]


def test_a_stamp_that_goes_back_begins_anew():
    pairing = ApproximatePairing(("a", "b"), skew_ns=25 * MS)
    assert moments(pairing, [("a", 0), ("b", 0), ("a", 50), ("b", 50)])[-1][0] == 50
    assert pairing.add("a", 0, "new") is None  # not with what b had at 0 before
    assert pairing.add("b", 0, "new").values == {"a": "new", "b": "new"}


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 60)), max_size=60),
    st.integers(0, 40),
)
def test_no_moment_is_wider_than_the_bound_nor_old(steps, bound):
    pairing, clocks = ApproximatePairing(("a", "b"), skew_ns=bound), {"a": 0, "b": 0}
    for source, step in steps:
        clocks[source] += step
        moment = pairing.add(source, clocks[source], clocks[source])
        if moment is not None:
            assert moment.stamp_ns == min(clocks.values())
            assert moment.skew_ns == max(abs(at - moment.stamp_ns) for at in moment.values.values()) <= bound
            assert moment.values[source] == clocks[source]
