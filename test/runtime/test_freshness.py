"""Inputs that fall silent, freeze, or tell another time."""

import numpy as np
import pytest

from zipmo_ros.runtime.causes import CAUSES
from zipmo_ros.runtime.freshness import Freshness

SECOND = 10**9


class Clock:
    """Seconds here; `ahead` more on the clock that stamps are of."""

    now = 100.0
    ahead = 0.0

    def seconds(self):
        return self.now

    def stamp_ns(self):
        return round((self.now + self.ahead) * SECOND)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def images(clock):
    return Freshness("images", 0.5, clock=clock.seconds, now_ns=clock.stamp_ns, max_age=1.0)


def test_never_heard_then_fresh_then_silent(clock, images):
    assert images.problem() == ("stale observation", "nothing heard on images yet")
    assert (images.silence, images.age, images.offset) == (None, None, None)
    assert images.feed(clock.stamp_ns())
    clock.now += 0.4
    assert images.problem() is None
    clock.now += 0.2
    assert images.problem() == ("stale observation", "nothing heard on images for 0.60 s (limit 0.50 s)")
    images.reset()
    assert images.problem() == ("stale observation", "nothing heard on images yet")


def test_stamps_that_stand_still_are_silence(clock, images):
    stamp = clock.stamp_ns()
    assert images.feed(stamp)
    for _ in range(6):
        clock.now += 0.1
        assert not images.feed(stamp)
    cause, text = images.problem()
    assert (cause, text[:41]) == ("stale observation", "nothing new on images, whose stamp stands")


@pytest.mark.parametrize("content", [np.zeros((2, 2, 3), np.uint8), b"0000"])
def test_what_shows_the_same_while_the_arm_moves_is_frozen(clock, images, content):
    other = content.copy() + 1 if isinstance(content, np.ndarray) else b"0001"

    def show(what, moving):
        clock.now += 0.1
        return images.feed(clock.stamp_ns(), what, moving)

    assert show(content, True)
    assert all(show(content, False) for _ in range(20)), "nothing moves, so nothing has to change"
    assert not show(content, True)
    assert images.problem() is None, "one image twice is no freeze yet"
    assert show(other, True)
    assert not any(show(other, True) for _ in range(6))
    cause, text = images.problem()
    assert (cause, text) == (
        "frozen content",
        "images has shown the same for 0.60 s while the arm moved (limit 0.50 s)",
    )
    assert not any(show(other, False) for _ in range(20)), "an arm that was stopped for it proves nothing"
    assert images.problem()[0] == "frozen content"
    assert show(content, True)
    assert images.problem() is None


def test_stamps_ahead_are_refused_and_leave_nothing_behind(clock, images):
    ahead = clock.stamp_ns() + SECOND // 2
    assert not images.feed(ahead)
    assert images.problem() == (
        "future stamp",
        "stamps of images are 0.500 s ahead of the clock here (at most 0.100 s)",
    )
    clock.now += 0.1
    assert images.feed(clock.stamp_ns())
    assert images.problem() is None


def test_stamps_that_go_back_are_said_until_they_go_on(clock, images):
    images.feed(clock.stamp_ns())
    clock.now += 0.1
    back = clock.stamp_ns() - SECOND // 5
    assert not images.feed(back)
    assert images.problem() == ("backward stamp", "stamps of images went back by 0.100 s")
    assert images.feed(back + SECOND // 20)
    assert images.problem() is None


def test_age_by_stamps_alone(clock, images):
    for _ in range(30):  # a queue that delivers ever later
        clock.now += 0.1
        clock.ahead += 0.05
        images.feed(round(clock.now * SECOND))
    assert images.problem() == ("stale observation", "the newest of images is 1.50 s old (limit 1.00 s)")
    assert images.age == pytest.approx(1.5)
    clock.ahead = 0.0
    assert images.problem() is None


def test_the_offset_of_the_other_clock_is_a_median(clock, images):
    for delay in [0.02] * 5 + [0.5] * 2:
        clock.now += 0.1
        images.feed(clock.stamp_ns() - round(delay * SECOND))
    assert images.offset == pytest.approx(-0.02)


def test_causes_have_names_that_safety_knows(clock):
    plans = Freshness("plans", 0.5, cause="stale plan", clock=clock.seconds)
    assert plans.problem()[0] in CAUSES
    plans.feed(0)
    assert (plans.age, plans.offset) == (None, None)
    assert {"frozen content", "future stamp", "backward stamp", "stale observation"} <= CAUSES.keys()
