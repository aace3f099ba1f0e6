"""One of two measures of one motion stands still."""

import numpy as np

from zipmo_ros.runtime.standstill import Standstill

PERIOD_NS = 10**7


def found(pairs, moved=0.01):
    watch = Standstill(moved)
    return [watch.found(step * PERIOD_NS, np.array([own]), None if other is None else np.array([other]))
            for step, (own, other) in enumerate(pairs)]  # fmt: skip


def test_what_stays_while_the_other_moves_is_found():
    answers = found([(0.0, 0.004 * step) for step in range(10)])
    assert answers == [False] * 3 + [True] * 7


def test_both_may_move_and_both_may_rest():
    assert not any(found([(0.1 * step, 0.1 * step) for step in range(50)]))
    assert not any(found([(1.0, 1.0)] * 50))
    assert not any(found([(1.0, None)] * 50))


def test_a_leap_of_the_other_is_over_once_it_rests():
    answers = found([(1.0, 0.0)] * 10 + [(1.0, 5.0)] * 50)
    assert any(answers)
    assert not any(answers[30:])


def test_the_other_may_be_told_of_less_often():
    assert any(found([(0.0, 0.004 * (step // 10)) for step in range(80)]))
