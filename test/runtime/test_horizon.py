"""Receding horizon: time decides which action of which plan is executed."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.contract.stamps import EPISODE_GAP_NS, episode_number, observation_stamp
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.commands import to_action
from zipmo_ros.runtime.horizon import Horizon

ROBOT = load_robot()
PERIOD_NS = ROBOT.period_ns
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


HOME = np.array([0, -0.8, 0, -2.4, 0, 2.2, 0.8, 0.02, -0.02])
HAND = np.array([0.4, 0.1, 0.3, 0, 0, 0, 1.0])


def executed(horizon, step):
    """The action that is left of a command; its last bits may change on the way."""
    return round(to_action(horizon.command(step * PERIOD_NS, HAND), HAND, ROBOT)[0], 12)


def test_a_late_plan_is_used_from_the_step_that_it_is_late_by():
    horizon = Horizon(NewestOnly(), 4, ROBOT)
    horizon.add(4 * PERIOD_NS, ramp())
    assert executed(horizon, 7) == 0.03
    horizon.add(8 * PERIOD_NS, ramp(0.5))
    assert executed(horizon, 11) == 0.53


@given(stamp=st.integers(0, 500), late=st.integers(0, LENGTH + 5))
def test_never_a_past_step_and_nothing_past_the_end(stamp, late):
    horizon = Horizon(NewestOnly(), 4, ROBOT)
    horizon.add(stamp * PERIOD_NS, ramp())
    if late < LENGTH:
        assert executed(horizon, stamp + late) == late / 100
    else:
        assert horizon.command((stamp + late) * PERIOD_NS, HAND) is None


@given(st.integers(1, 16), st.integers(0, 40))
def test_due_every_so_many_steps(replan_every, steps):
    horizon = Horizon(NewestOnly(), replan_every, ROBOT)
    taken = []
    for step in range(steps):
        if horizon.due(step * PERIOD_NS):
            horizon.add(step * PERIOD_NS, ramp())
            taken.append(step)
    assert taken == list(range(0, steps, replan_every))


def test_an_older_plan_is_refused_until_reset():
    horizon = Horizon(NewestOnly(), 4, ROBOT)
    horizon.add(8 * PERIOD_NS, ramp())
    with pytest.raises(ValueError, match="reset"):
        horizon.add(4 * PERIOD_NS, ramp())
    horizon.reset()
    assert horizon.age_ns(0) is None
    assert horizon.command(8 * PERIOD_NS, HAND) is None
    horizon.add(4 * PERIOD_NS, ramp())
    assert horizon.age_ns(6 * PERIOD_NS) == 2 * PERIOD_NS
    with pytest.raises(LookupError, match="none is for"):
        executed(horizon, 3)


def test_replan_every_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        Horizon(NewestOnly(), 0, ROBOT)


def test_stamps_keep_episodes_apart():
    first = episode_number(3, 49)
    assert first == 3049 < episode_number(4, 0)
    assert observation_stamp(first, 7, PERIOD_NS) == 3049 * EPISODE_GAP_NS + 7 * PERIOD_NS
    assert observation_stamp(first, 600, PERIOD_NS) < observation_stamp(first + 1, 0, PERIOD_NS)
    assert observation_stamp(episode_number(89, 49), 0, PERIOD_NS) // 10**9 < 2**31  # a ROS stamp's seconds


class Recorder:
    """A planner and a policy that note what they are given; the plan is the observation itself."""

    spec = None

    def __init__(self):
        self.seen, self.shown = [], []

    def reset(self):
        pass

    def observe(self, observation):
        self.shown.append(observation.step)

    def plan(self, observation, goal, seed):
        self.seen.append((int(observation.images["agentview"][0, 0, 0]), goal.text, observation.step, seed))
        return SimpleNamespace(images=observation.images, goal=goal, understood=None, refused=False)

    def act(self, observation, goal, plan):
        return ramp(plan.images["agentview"][0, 0, 0] / 1000 + observation.proprio[0])


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
    models = Recorder()
    agent = RecedingHorizonAgent(models, models, Horizon(NewestOnly(), 3, ROBOT), seed=5)
    for _ in range(2):
        agent.reset()
        actions = []
        for step in range(7):
            images = {"agentview": np.full((8, 8, 3), step, np.uint8)} if step != 5 else {}
            observation = Observation(step * PERIOD_NS, step, images, HOME + step / 100, HAND)
            actions.append(agent.act(observation, Sentence("go"))[0])
        np.testing.assert_allclose(actions, [0, 0.01, 0.02, 0.033, 0.043, 0.053, 0.066], atol=1e-12)
    assert models.seen == [(0, "go", 0, 5), (3, "go", 3, 5), (6, "go", 6, 5)] * 2
    assert models.shown == [1, 2, 4] * 2  # and step 5 brought no images
