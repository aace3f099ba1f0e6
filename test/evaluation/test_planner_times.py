"""What a plan costs, by a clock that is told how long each takes."""

from types import SimpleNamespace

import graph_stubs
import pytest

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation import bench
from zipmo_ros.evaluation.planner_times import plan_times


@pytest.fixture
def clock(monkeypatch):
    """Seconds by the clock; of CPU time half as many."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(bench.time, "process_time", lambda: clock.now / 2)
    return clock


class Slow(graph_stubs.StubPlanner):
    """A future takes `seconds`, the first plan of an episode ten times that; the very first of all is slower still."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds, self.fresh, self.seen = clock, seconds, True, []

    def reset(self):
        super().reset()
        self.fresh = True

    def plan(self, observation, goal, seed, samples=1):
        self.clock.now += self.seconds * samples * (10.0 if self.fresh else 1.0) + (99.0 if not self.seen else 0.0)
        self.fresh = False
        self.seen.append((observation.stamp_ns, samples))
        return super().plan(observation, goal, seed, samples)


def test_first_plans_and_those_that_follow(clock):
    planners = {"quick": Slow(clock, 1.0), "slow": Slow(clock, 3.0)}
    rows = plan_times(planners, load_robot(), Sentence("go"), samples=(1, 3), repeats=2)
    assert [tuple(row.values())[:7] for row in rows] == [
        ("quick", 1, 10_000.0, 5_000.0, 1_000.0, 500.0, 1.0),
        ("quick", 3, 30_000.0, 15_000.0, 3_000.0, 1_500.0, 3.0),
        ("slow", 1, 30_000.0, 15_000.0, 3_000.0, 1_500.0, 3.0),
        ("slow", 3, 90_000.0, 45_000.0, 9_000.0, 4_500.0, 9.0),
    ]
    for planner in planners.values():
        assert len(planner.seen) == 2 * 3 * 2
        assert planner.seen[::2] == [(0, samples) for _, samples in planner.seen[::2]]
        assert all(stamp == load_robot().period_ns for stamp, _ in planner.seen[1::2])
