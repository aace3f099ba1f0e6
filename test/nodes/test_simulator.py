"""Episodes without ROS: which one the parameters describe."""

import graph_stubs
import pytest

from zipmo_ros.contract.stamps import STATES_A_TASK, episode_number
from zipmo_sim import suites
from zipmo_sim.simulator import Simulator


def describe(suite, known, init_state):
    return Simulator(known, {}).describe(suite, "", "", init_state, seed=0, number=-1, image_every=1)


def test_initial_states_go_round_and_those_that_a_suite_lacks_are_refused():
    assert describe("stub", graph_stubs.SUITES, 12).next_state == 13
    assert describe("stub", graph_stubs.SUITES, 49).next_state == 0
    with pytest.raises(ValueError, match="stub has 50 initial states, so not number 50"):
        describe("stub", graph_stubs.SUITES, 50)


def test_mini_has_more_as_many_as_the_parameter_takes():
    last = describe("mini", suites, STATES_A_TASK - 1)
    assert last.next_state == 0
    assert last.number < episode_number(1, 0)
