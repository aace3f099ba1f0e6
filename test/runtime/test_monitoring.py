"""Latency windows and watchdogs."""

from zipmo_ros.runtime.latency import LatencyWindow
from zipmo_ros.runtime.watchdog import Watchdog


def test_an_empty_window_knows_nothing():
    window = LatencyWindow()
    assert (window.p50, window.p95, window.maximum, len(window)) == (None, None, None, 0)


def test_the_window_forgets():
    window = LatencyWindow(size=100)
    window.add(1000.0)
    for value in range(1, 101):
        window.add(float(value))
    assert (len(window), window.maximum) == (100, 100)
    assert window.p50 == 50.5
    assert 95 <= window.p95 <= 96


def test_watchdog_on_an_injected_clock():
    now = [0.0]
    watchdog = Watchdog("joint_states", 0.4, clock=lambda: now[0])
    assert watchdog.problem() == "nothing heard on joint_states yet"
    assert watchdog.silence is None
    watchdog.feed()
    now[0] = 0.4
    assert watchdog.problem() is None
    now[0] = 0.41
    assert watchdog.problem() == "nothing heard on joint_states for 0.41 s (limit 0.40 s)"
    watchdog.feed()
    assert watchdog.problem() is None
    watchdog.reset()
    assert watchdog.problem() == "nothing heard on joint_states yet"
