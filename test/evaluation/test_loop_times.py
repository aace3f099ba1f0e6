"""Where a control period goes: its parts add up to it."""

import pytest

from zipmo_ros.evaluation.loop_times import LOOP, ORDER, episodes, loop_report, periods
from zipmo_ros.evaluation.plotting import plot_loop
from zipmo_ros.nodes.stopwatch import Stopwatch, read_laps

MS = 10**6


def laps(steps, began_ms=0):
    """Of an episode in which a step takes 100 ms: 1 to the planner, 40 there, 2 to the policy, 10 there, 3 to safety, 4
    there, 5 to the simulator, 35 there of which 20 render.
    """
    at = began_ms * MS
    yield "reset", 0, at - 50 * MS, at
    for step in range(steps):
        yield "plan", step, at + 1 * MS, at + 41 * MS
        yield "act", step, at + 43 * MS, at + 53 * MS
        yield "safety", step, at + 56 * MS, at + 60 * MS
        yield "render", step + 1, at + 70 * MS, at + 90 * MS
        yield "step", step + 1, at + 65 * MS, at + 100 * MS
        at += 100 * MS


def test_parts_are_told_apart_and_add_up():
    found = periods(laps(3))
    assert list(found) == [0, 1, 2]
    expected = [1, 40, 2, 10, 3, 4, 5, 15, 20]
    for parts in found.values():
        assert parts == pytest.approx(dict(zip(ORDER, expected, strict=True)))
        assert sum(parts.values()) == pytest.approx(100)


def test_episodes_are_not_mixed_and_each_warms_up(tmp_path):
    warming = [("plan", 0, -(10**9), -9 * 10**8)]  # before any episode: the planner's own
    both = [*warming, *laps(5, 1000), *laps(4, 9000)]
    assert [len(lot) for lot in episodes(reversed(both))] == [26, 21]
    report = loop_report(both, warm_up=2)
    assert report["periods"] == 3 + 2
    assert report["overhead"]["p50_ms"] == pytest.approx(1 + 2 + 3 + 4 + 5)
    assert report["period"]["p95_ms"] == pytest.approx(100)
    assert set(LOOP) < set(report["parts"])
    machine = {"cpu": "a CPU", "load_average": 0.1}
    plot_loop({**report, "machine": machine}, tmp_path / "loop.png")
    assert (tmp_path / "loop.png").read_bytes().startswith(b"\x89PNG")


def test_a_step_that_lacks_a_lap_is_left_out():
    assert list(periods(lap for lap in laps(3) if lap[:2] != ("act", 1))) == [0, 2]
    with pytest.raises(ValueError, match="no control period was timed as a whole"):
        loop_report(laps(3), warm_up=3)


def test_a_stopwatch_writes_what_it_times_even_of_what_fails(tmp_path):
    watch = Stopwatch(tmp_path, "policy")
    double = watch.timed("act", lambda step, factor: factor * step, lambda step, factor: step)
    broken = watch.timed("plan", lambda step: 1 / 0, lambda step: step)
    assert double(3, factor=2) == 6
    with pytest.raises(ZeroDivisionError):
        broken(4)
    assert [(lap.stage, lap.step) for lap in read_laps(tmp_path)] == [("act", 3), ("plan", 4)]
    assert all(lap.began_ns <= lap.ended_ns for lap in read_laps(tmp_path))
