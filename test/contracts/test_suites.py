"""All of our suites keep what is promised of a suite, and the checks notice one that does not."""

from types import SimpleNamespace

import graph_stubs
import numpy as np
import pytest
from suite_conformance import (
    SUITE_CHECKS,
    SuiteCase,
    an_environment_shows_what_the_robot_sees_and_feels,
    an_initial_state_starts_the_same_to_the_bit_and_so_goes_on,
    check_suite,
    tasks_come_in_order_and_can_be_told_apart,
)

from zipmo_ros.contract.robot import load_robot
from zipmo_sim import suites

ROBOT = load_robot()
# LIBERO-PRO's are made as their bases are: one of them stands for all (test/sim/test_libero_pro.py has more of each).
CHOSEN = [name for name, entry in suites.SUITES.items() if entry.base is None or name == "libero_10_object"]
OURS = [pytest.param(name, marks=[pytest.mark.libero] if suites.SUITES[name].libero else []) for name in CHOSEN]


@pytest.mark.parametrize("check", SUITE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("suite", OURS)
def test_ours(suite, check):
    check(SuiteCase(suite, suites, ROBOT))


def test_the_stub():
    check_suite("stub", graph_stubs.SUITES, ROBOT, "wander")


def _stub(env=graph_stubs.StubEnv, tasks=graph_stubs.tasks):
    def make_env(suite, name, **options):
        return env(graph_stubs.task(suite, name), **options)

    return SimpleNamespace(task=graph_stubs.task, tasks=tasks, make_env=make_env)


class Drifting(graph_stubs.StubEnv):
    """Something of the episode before is left after a reset."""

    drift = 0.0

    def reset(self, **given):
        _, info = super().reset(**given)
        self.drift += 0.01
        self._position += self.drift
        return self._observation(), info


class Reusing(graph_stubs.StubEnv):
    """Hands out the one array that it writes to."""

    def _observation(self):
        self._felt = getattr(self, "_felt", np.zeros(9, np.float32))
        self._felt[:] = self._position
        return {**super()._observation(), "proprio": self._felt}


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (_stub(Drifting), an_initial_state_starts_the_same_to_the_bit_and_so_goes_on),
        (_stub(Reusing), an_environment_shows_what_the_robot_sees_and_feels),
        (_stub(tasks=lambda suite: graph_stubs.TASKS[::-1]), tasks_come_in_order_and_can_be_told_apart),
    ],
    ids=["drifting", "reusing", "reversed"],
)
def test_a_suite_that_breaks_a_promise_is_caught(broken, check):
    with pytest.raises(AssertionError):
        check(SuiteCase("stub", broken, ROBOT))
