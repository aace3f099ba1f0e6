"""Plans that come late: what is executed, and none of what others have tripped over."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipmo_ros.contract.goal import Sentence
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.agent import RecedingHorizonAgent
from zipmo_ros.runtime.anchored import AnchoredHorizon
from zipmo_ros.runtime.delay import NO_DELAY, Delay
from zipmo_ros.runtime.ensembling import NewestChunk, TemporalEnsemble
from zipmo_ros.runtime.horizon import Horizon
from zipmo_ros.runtime.strategies import ReactingAgent, SynchronousAgent

ROBOT = load_robot()
PERIOD_NS, PERIOD_MS = ROBOT.period_ns, 1e3 * ROBOT.period_s
LENGTH = 16
HOME = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])
OPEN = np.append(np.mean(ROBOT.joint_limits, axis=1), [ROBOT.gripper_open_m / 2, -ROBOT.gripper_open_m / 2])
GO = Sentence("go")


class Body:
    """A hand that follows its actions as the robot's response says."""

    def __init__(self, pose=HOME):
        self.pose, self.moving = pose, np.zeros(6)

    def follow(self, action):
        self.moving = ROBOT.response.step(self.moving, action[:6] * ROBOT.offset_scale, ROBOT.period_s)
        self.pose = moved(self.pose, self.moving)


class Statue(Body):
    """A hand that stays, whatever it is told."""

    def follow(self, action):
        pass


class Loop:
    """An agent whose planner says when it planned and whose policy gives entries that tell plan and place in it.

    Entry i of the chunk of observation k is (k + i / 100) / 100 along x; the hand stays at HOME.
    """

    spec = None

    def __init__(self, make=RecedingHorizonAgent, blend=NewestChunk, replan_every=2, delay=NO_DELAY, meant=None,
                 horizon=Horizon):  # fmt: skip
        self.planned: list[int] = []
        self.acted: list[tuple[int, int]] = []  # step, and the plan's
        self.meant = meant or (lambda k, i: (k + i / 100) / 100)
        self.agent = make(self, self, horizon(blend(), replan_every, ROBOT), 0, delay)

    def reset(self):
        pass

    def observe(self, observation):
        pass

    def plan(self, observation, goal, seed):
        self.planned.append(observation.step)
        return SimpleNamespace(step=observation.step, goal=goal, understood=None, refused=False)

    def act(self, observation, goal, plan):
        self.acted.append((observation.step, plan.step))
        chunk = np.zeros((LENGTH, 7))
        chunk[:, 0] = [self.meant(observation.step, i) for i in range(LENGTH)]
        chunk[:, 6] = 1.0
        return chunk

    def run(self, steps, body=None):
        """Actions [steps, 7] of an episode."""
        body, actions = body or Statue(), []
        self.agent.reset()
        for k in range(steps):
            actions.append(self.agent.act(Observation(k * PERIOD_NS, k, {"a": 0}, OPEN, body.pose), GO))
            body.follow(actions[-1])
        return np.stack(actions)


def steps_late(steps, jitter=0.0, seed=0):
    return Delay(PERIOD_MS * steps, jitter, seed)


def read(action):
    """(step of the plan's observation, entry) that an action was taken from."""
    number = round(action[0] * 10_000)
    return divmod(number, 100)


# -- virtual time ------------------------------------------------------------------------------------------------------


def test_a_plan_can_be_used_once_its_delay_is_over_and_the_newest_observation_is_next():
    loop = Loop(delay=steps_late(5))
    actions = loop.run(18)
    assert loop.planned == [0, 5, 10, 15]
    assert [read(action) for action in actions[5:]] == [
        *((0, entry) for entry in range(5, 10)), *((5, entry) for entry in range(5, 10)), *((10, e) for e in (5, 6, 7)),
    ]  # fmt: skip


def test_without_delay_plans_are_due_every_so_many_steps():
    loop = Loop(replan_every=3)
    assert [read(action) for action in loop.run(7)] == [(0, 0), (0, 1), (0, 2), (3, 0), (3, 1), (3, 2), (6, 0)]


@given(late=st.floats(0, 20), jitter=st.floats(0, 1), replan_every=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_whatever_the_delays_an_entry_is_the_age_of_its_observation(late, jitter, replan_every, seed):
    """Consumption is measured, not planned: the delay that was expected plays no part in it."""
    loop = Loop(delay=steps_late(late, jitter, seed), replan_every=replan_every)
    actions = loop.run(60)
    delays = [-(-loop.agent.delay.of(k * PERIOD_NS) // PERIOD_NS) for k in loop.planned]
    for step, action in enumerate(actions):
        come = [k for k, delay in zip(loop.planned, delays, strict=True) if k + delay <= step]
        if come and step - come[-1] < LENGTH:
            assert read(action) == (come[-1], step - come[-1])
    for before, delay, after in zip(loop.planned, delays, loop.planned[1:], strict=False):
        assert after == before + max(delay, replan_every), "nothing queues, and nobody idles"


def test_delays_are_drawn_by_seed_and_stamp():
    delay = Delay(200.0, 0.5, 3)
    drawn = [delay.of(stamp * PERIOD_NS) for stamp in range(500)]
    assert drawn == [Delay(200.0, 0.5, 3).of(stamp * PERIOD_NS) for stamp in range(500)]
    assert drawn != [Delay(200.0, 0.5, 4).of(stamp * PERIOD_NS) for stamp in range(500)]
    assert 100e6 <= min(drawn) < 110e6
    assert 290e6 < max(drawn) <= 300e6
    assert np.mean(drawn) == pytest.approx(200e6, rel=0.05)
    assert {Delay(200.0).of(stamp) for stamp in range(50)} == {200_000_000}
    for wrong in ((-1.0, 0.0), (float("nan"), 0.0), (1.0, 1.5), (1.0, -0.1)):
        with pytest.raises(ValueError, match="latency is at least 0"):
            Delay(*wrong)


# -- what others have tripped over -------------------------------------------------------------------------------------


def test_a_slow_first_plan_is_not_taken_for_latency():
    """The cold start delays itself alone."""

    class ColdStart(Delay):
        def of(self, stamp_ns):
            return PERIOD_NS * (10 if stamp_ns == 0 else 1)

    loop = Loop(delay=ColdStart())
    actions = loop.run(16)
    assert loop.planned == [0, 10, 12, 14]
    assert read(actions[10]) == (0, 10)
    assert [read(action) for action in actions[11:16]] == [(10, 1), (10, 2), (12, 1), (12, 2), (14, 1)]


def test_nothing_is_padded_with_zeros():
    """A step that one chunk covers is that chunk's, whatever the others have run out of."""
    ensemble = TemporalEnsemble()
    ensemble.add(0, np.full((4, 7), 0.5))
    ensemble.add(3, np.full((4, 7), 0.7))
    assert ensemble.action(2) == pytest.approx(np.full(7, 0.5))
    assert 0.5 < ensemble.action(3)[0] < 0.7
    assert ensemble.action(5) == pytest.approx(np.full(7, 0.7))


@given(late=st.integers(LENGTH, 40), blend=st.sampled_from([NewestChunk, TemporalEnsemble]))
@settings(max_examples=20, deadline=None)
def test_plans_that_are_over_when_they_come_move_nothing(late, blend):
    """Later than a chunk is long: the arm holds where it is, with the gripper as it is, and doesn't swing."""
    actions = Loop(blend=blend, delay=steps_late(late)).run(100)
    assert actions[:, :6] == pytest.approx(0.0)
    assert (actions[:, 6] < 0).all()


def test_goals_keep_their_distance_from_a_hand_that_moves():
    """No saw-tooth: an offset is from the hand now, not from where it was when the plan was made."""
    loop = Loop(delay=steps_late(4), meant=lambda k, i: 0.5)
    actions = loop.run(40, Body())
    assert actions[4:, 0] == pytest.approx(0.5)
    assert actions[4:, 1:6] == pytest.approx(0.0, abs=1e-9)


@given(late=st.integers(0, 20), replan_every=st.integers(1, LENGTH))
@settings(max_examples=60, deadline=None)
def test_chunks_cover_every_step_as_long_as_delay_and_execution_fit_in_them(late, replan_every):
    """d <= s <= H - d: a planner that is busy for d steps gives a plan every s = max(d, replan_every)."""
    loop = Loop(delay=steps_late(late), replan_every=replan_every)
    loop.run(100)
    execution = max(late, replan_every)
    waited = min(late, 100)
    gaps = loop.agent.facts["held_steps"] - waited
    assert (gaps > 0) == (execution > LENGTH - late)


# -- coming to rest ----------------------------------------------------------------------------------------------------


def test_the_arm_slows_down_where_chunks_end_holds_and_goes_on_with_the_next():
    gap = 16
    loop, body = Loop(replan_every=LENGTH + gap, meant=lambda k, i: 1.0), Body()
    actions = loop.run(LENGTH + gap + 2, body)
    limits, gain = ROBOT.limits.translation, ROBOT.response.gain
    speeds = gain * actions[:, 0] * ROBOT.translation_m
    assert actions[:LENGTH, 0] == pytest.approx(1.0)
    assert np.abs(np.diff(speeds)).max() <= limits.change(ROBOT.period_s) + 1e-9
    assert actions[LENGTH + gap - 1, :6] == pytest.approx(0.0, abs=0.01)
    assert (actions[:, 6] == 1.0).all(), "what is held falls"
    assert actions[LENGTH + gap :, 0] == pytest.approx(1.0)


# -- strategies --------------------------------------------------------------------------------------------------------


def test_stop_and_go_executes_each_plan_from_its_beginning_and_holds_meanwhile():
    loop = Loop(SynchronousAgent, replan_every=3, delay=steps_late(6))
    actions = loop.run(24)
    assert loop.planned == [0, 9, 18]
    assert actions[:6, :6] == pytest.approx(0.0)
    assert [read(action) for action in actions[6:9]] == [(0, 0), (0, 1), (0, 2)]
    assert actions[13:15, :6] == pytest.approx(0.0)
    assert [read(action) for action in actions[15:18]] == [(9, 0), (9, 1), (9, 2)]


def test_reacting_asks_the_policy_at_every_step_with_the_newest_plan_that_has_come():
    loop = Loop(ReactingAgent, delay=steps_late(4))
    actions = loop.run(10)
    assert [read(action) for action in actions[4:]] == [(step, 0) for step in range(4, 10)]
    assert [row for row in loop.acted if row not in [(0, 0), (4, 4), (8, 8)]] == [
        (4, 0), (5, 0), (6, 0), (7, 0), (8, 4), (9, 4),
    ]  # fmt: skip


def test_anchored_goals_make_up_for_what_older_chunks_did_instead():
    """Every chunk means to be 0.1 m on along x, soon: the steps that a late one misses are those that matter."""
    ends = {}
    for horizon in (Horizon, AnchoredHorizon):
        body = Body()

        class Reaching(Loop):
            def act(self, observation, goal, plan):
                actions, at, moving = np.zeros((LENGTH, 7)), observation.hand[0], np.zeros(6)
                for action in actions:
                    action[0] = np.clip((HOME[0] + 0.1 - at) / ROBOT.translation_m, -1, 1)
                    moving = ROBOT.response.step(moving, action[:6] * ROBOT.offset_scale, ROBOT.period_s)
                    at += moving[0]
                return actions

        Reaching(horizon=horizon, delay=steps_late(8)).run(80, body)
        ends[horizon] = body.pose[0] - HOME[0]
    assert ends[AnchoredHorizon] == pytest.approx(0.1, abs=0.005)
    assert abs(ends[Horizon] - 0.1) > 0.02


def test_anchored_goals_without_delay_are_what_the_chunk_says_now():
    for blend in (NewestChunk, TemporalEnsemble):
        actions = Loop(blend=blend, horizon=AnchoredHorizon, replan_every=1, meant=lambda k, i: 0.3).run(30, Body())
        assert actions[:, 0] == pytest.approx(0.3, abs=1e-6)


def test_a_pose_that_another_input_overtook_does_not_make_the_horizon_forget():
    """Joint states and poses with clocks of their own: the command of a joint state may come before an older pose."""
    at = [moved(HOME, np.array([0.01 * step, 0, 0, 0, 0, 0])) for step in range(4)]
    goals = []
    for late in (False, True):
        horizon = AnchoredHorizon(NewestChunk(), 1, ROBOT)
        for step in range(4):
            horizon.feel(step * PERIOD_NS, at[step])
        if late:
            horizon.feel(3 * PERIOD_NS - PERIOD_NS // 4, at[3])
        horizon.add(PERIOD_NS, np.zeros((LENGTH, 7)))
        goals.append(horizon.command(3 * PERIOD_NS, at[3]).pose)
    assert np.array_equal(*goals)
    assert goals[0][0] < at[3][0]  # where the chunk would have taken the hand from the second pose on


def test_an_anchored_goal_is_never_farther_than_an_action_can_mean():
    """The safety layer would take it for a jump."""
    loop = Loop(horizon=AnchoredHorizon, delay=steps_late(8), meant=lambda k, i: 1.0)
    actions = loop.run(60)  # the hand is stuck, and falls behind
    assert loop.agent.safety.armed
    assert actions[8:, 0] == pytest.approx(1.0)
