"""What a plan costs, by a clock that is told how long each takes."""

import graph_stubs

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.evaluation.planner_times import plan_times


class Slow(graph_stubs.StubPlanner):
    """A future takes a second, the first plan of an episode ten; the very first of all is slower still."""

    now, fresh, plans = 0.0, True, 0

    def reset(self):
        super().reset()
        self.fresh = True

    def plan(self, observation, goal, seed, samples=1):
        self.now += samples * (10.0 if self.fresh else 1.0) + (99.0 if not self.plans else 0.0)
        self.fresh, self.plans = False, self.plans + 1
        return super().plan(observation, goal, seed, samples)


def test_first_plans_and_those_that_follow():
    planner = Slow()
    rows = plan_times(planner, load_robot(), Sentence("go"), samples=(1, 3), repeats=2, clock=lambda: planner.now)
    assert rows == [
        {"samples": 1, "plan_ms": 10_000.0, "update_ms": 1_000.0},
        {"samples": 3, "plan_ms": 30_000.0, "update_ms": 3_000.0},
    ]
    assert planner.plans == 2 * 3 * 2
