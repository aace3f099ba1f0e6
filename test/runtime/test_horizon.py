"""Receding horizon: time decides which action of which plan is executed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.stamps import CONTROL_PERIOD_NS, EPISODE_GAP_NS, episode_number, observation_stamp

LENGTH = 16


class NewestOnly:
    """An ensemble that executes the newest chunk alone."""

    def reset(self):
        self.chunk = None

    def add(self, step, chunk):
        self.step, self.chunk = step, chunk

    def action(self, step):
        return self.chunk[step - self.step]


def ramp(offset=0.0):
    """A chunk whose first entry counts its own steps in hundredths."""
    chunk = np.zeros((LENGTH, 7))
    chunk[:, 0] = offset + np.arange(LENGTH) / 100
    return chunk


def executed(horizon, step):
    return to_action(horizon.command(step * CONTROL_PERIOD_NS))[0]


def test_a_late_plan_is_used_from_the_step_that_it_is_late_by():
    horizon = Horizon(NewestOnly(), 4)
    horizon.add(4 * CONTROL_PERIOD_NS, ramp())
    assert executed(horizon, 7) == 0.03
    horizon.add(8 * CONTROL_PERIOD_NS, ramp(0.5))
    assert executed(horizon, 11) == 0.53


@given(stamp=st.integers(0, 500), late=st.integers(0, LENGTH + 5))
def test_never_a_past_step_and_nothing_past_the_end(stamp, late):
    horizon = Horizon(NewestOnly(), 4)
    horizon.add(stamp * CONTROL_PERIOD_NS, ramp())
    if late < LENGTH:
        assert executed(horizon, stamp + late) == late / 100
    else:
        with pytest.raises(LookupError, match="no plan covers"):
            executed(horizon, stamp + late)


@given(st.integers(1, 16), st.integers(0, 40))
def test_due_every_so_many_steps(replan_every, steps):
    horizon = Horizon(NewestOnly(), replan_every)
    taken = []
    for step in range(steps):
        if horizon.due(step * CONTROL_PERIOD_NS):
            horizon.add(step * CONTROL_PERIOD_NS, ramp())
            taken.append(step)
    assert taken == list(range(0, steps, replan_every))


def test_an_older_plan_is_refused_until_reset():
    horizon = Horizon(NewestOnly(), 4)
    horizon.add(8 * CONTROL_PERIOD_NS, ramp())
    with pytest.raises(ValueError, match="reset"):
        horizon.add(4 * CONTROL_PERIOD_NS, ramp())
    horizon.reset()
    assert horizon.age_ns(0) is None
    with pytest.raises(LookupError):
        executed(horizon, 8)
    horizon.add(4 * CONTROL_PERIOD_NS, ramp())
    assert horizon.age_ns(6 * CONTROL_PERIOD_NS) == 2 * CONTROL_PERIOD_NS
    with pytest.raises(LookupError):  # time before the plan
        executed(horizon, 3)


def test_replan_every_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        Horizon(NewestOnly(), 0)


def test_stamps_keep_episodes_apart():
    first, second = episode_number(3, 49), episode_number(4, 0)
    assert first == 3049
    assert observation_stamp(first, 7) == 3049 * EPISODE_GAP_NS + 7 * CONTROL_PERIOD_NS
    assert observation_stamp(first, 600) < observation_stamp(first + 1, 0) <= observation_stamp(second, 0)
    assert observation_stamp(episode_number(89, 49), 0) // 10**9 < 2**31  # a ROS stamp's seconds


def test_numbers_of_episodes_never_meet():
    for span, turns in ((1000, 15), (25, 30)):  # a start from every state; figures, beyond a task's first thousand
        numbers = {
            episode_number(task, state, turn, span)
            for task in range(0, 130, 3)
            for turn in range(turns)
            for state in range(span)
        }
        assert len(numbers) == 44 * turns * span
    assert episode_number(129, 999, 14, 1000) < 2_000_000
    for beyond in ((0, 0, 16, 1000), (130, 0), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="no episode number"):
            episode_number(*beyond)


def test_agent_plans_with_the_observation_that_is_due():
    seen = []

    def plan(images, instruction, stamp_ns):
        seen.append((int(images[0, 0, 0, 0]), instruction, stamp_ns // CONTROL_PERIOD_NS))
        return np.float64(images[0, 0, 0, 0])

    def policy(z, proprio):
        return ramp(z / 1000 + proprio[0])

    agent = RecedingHorizonAgent(plan, policy, Horizon(NewestOnly(), 3))
    for _ in range(2):
        agent.reset()
        actions = [
            agent.act(step * CONTROL_PERIOD_NS, np.full((2, 8, 8, 3), step, np.uint8), np.full(9, step / 10), "go")[0]
            for step in range(7)
        ]
        np.testing.assert_allclose(actions, [0, 0.01, 0.02, 0.303, 0.313, 0.323, 0.606])
    assert seen == [(0, "go", 0), (3, "go", 3), (6, "go", 6)] * 2
