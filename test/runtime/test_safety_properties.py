"""Arbitrary commands, measurements, timings, stops and releases: no limit is broken, and a stop is one."""

import contextlib
import itertools
from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.limits import Workspace
from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.causes import CAUSES, NEVER_AUTOMATIC
from zipmo_ros.runtime.commands import to_command
from zipmo_ros.runtime.latch import SafetyError
from zipmo_ros.runtime.safety import Safety

PANDA = load_robot()
BOX = Workspace((0.3, -0.2, 0.05), (0.7, 0.2, 0.5), ((0.0, 0.6, 0.8, 0.0),))  # small enough to be left
ROBOT = replace(PANDA, limits=replace(PANDA.limits, workspace=BOX, gripper_rate_m_s=0.5))
LIMITS, GAIN, PERIOD = ROBOT.limits, ROBOT.response.gain, ROBOT.period_ns
PARTS = (slice(0, 3), LIMITS.translation), (slice(3, 6), LIMITS.rotation)
HOME = np.array([0.5, 0, 0.2, 1, 0, 0, 0])
JOINTS = np.mean(ROBOT.joint_limits, axis=1)

ODD = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300])
ORDINARY = st.lists(st.floats(-1, 1), min_size=6, max_size=6).map(lambda a: np.array(a) * ROBOT.offset_scale)
WILD = st.lists(st.floats(-0.3, 0.3) | st.floats(-3, 3) | ODD, min_size=6, max_size=6).map(np.array)
FARTHEST = np.array([0.1, -0.1, 0.02, 0.9, 0.1, -0.7])  # that is no jump
OFFSETS = ORDINARY | ORDINARY | WILD
OPENINGS = st.floats(0, ROBOT.gripper_open_m) | st.floats(-1, 1) | ODD
GAPS = st.just(PERIOD) | st.just(PERIOD) | st.integers(1, 3 * PERIOD)


def goal_of(hand, offset, opening):
    with np.errstate(all="ignore"):
        return Command(moved(hand, offset), opening)


class Operation(RuleBasedStateMachine):
    """A hand that follows what is sent as the response says, and a person who does what comes to mind."""

    @initialize(automatic=st.sets(st.sampled_from([cause for cause in CAUSES if cause not in NEVER_AUTOMATIC])))
    def begin(self, automatic):
        self.now, self.stamp_ns, self.hand = 0.0, 0, HOME
        self.automatic = automatic
        self.safety = Safety(ROBOT, lambda: self.now, automatic)
        self.safety.gripper_seen(0.04)
        self.velocity = np.zeros(6)  # that the last answer implied
        self.opening = 0.04
        self.held = self.last = self.answer = self.heard_ns = None

    def call(self, command, hand, joints):
        """allow(), with everything that has to be so of any call."""
        stopped_for, told = set(self.safety.causes), self.answer if self.heard_ns == self.stamp_ns else None
        with np.errstate(over="ignore"):
            answer = self.answer = self.safety.allow(command, hand, joints, self.stamp_ns)
        passed = PERIOD if self.heard_ns is None else min(max(self.stamp_ns - self.heard_ns, 0), PERIOD)
        self.heard_ns = self.stamp_ns
        if told is not None:
            assert answer is told
            return
        if not stopped_for and not self.safety.armed:
            self.held, self.velocity = None, np.zeros(6)
        if stopped_for and self.safety.armed:
            assert stopped_for <= self.automatic
            self.held, self.velocity = None, np.zeros(6)
        if answer is None:
            assert self.last is None, "once something was sent there is always an answer"
            return
        assert np.isfinite(answer.pose).all()
        assert 0 <= answer.gripper <= ROBOT.gripper_open_m
        if self.safety.armed:
            self.check_moving(answer, hand, passed / 1e9)
        else:
            self.check_stopped(answer, hand)
        self.last, self.opening = answer, answer.gripper

    def check_stopped(self, answer, hand):
        if self.held is None and hand is self.hand:
            ahead = offset_between(hand, answer.pose)
            for part, limits in PARTS:  # where it comes to rest
                assert np.linalg.norm(ahead[part]) <= ROBOT.response.lag_s * limits.velocity + 1e-9
            inside, before = BOX.inside(answer.pose[:3]), BOX.inside(hand[:3])
            assert ((inside >= 0) | (inside >= before)).all()
        assert answer.gripper <= self.opening, "a stop opened the gripper"
        assert self.held is None or answer is self.held
        self.held = answer

    def check_moving(self, answer, hand, seconds):
        velocity = GAIN * offset_between(hand, answer.pose)
        for part, limits in PARTS:
            change = np.linalg.norm(velocity[part] - self.velocity[part])
            assert np.linalg.norm(velocity[part]) <= limits.velocity + 1e-9
            assert change <= limits.change(seconds) + 1e-9
        assert abs(answer.gripper - self.opening) <= LIMITS.gripper_rate_m_s * seconds + 1e-12
        inside, before = BOX.inside(answer.pose[:3]), BOX.inside(hand[:3])
        assert ((inside >= 0) | (inside >= before)).all()
        self.velocity = velocity

    @rule(offset=OFFSETS, opening=OPENINGS, gap=GAPS, nothing=st.integers(0, 4))
    def command(self, offset, opening, gap, nothing):
        self.stamp_ns += gap
        self.now += gap / 1e9
        command = None if nothing == 0 else goal_of(self.hand, offset, opening)
        self.call(command, self.hand, JOINTS)
        if self.last is not None:
            self.hand = moved(self.hand, ROBOT.response.share(gap / 1e9) * offset_between(self.hand, self.last.pose))

    @rule(offset=ORDINARY)
    def the_same_stamp_again(self, offset):
        self.call(goal_of(self.hand, offset, 0.0), self.hand, JOINTS)

    @rule(hand=st.sampled_from([None, np.full(7, np.nan), np.zeros(7)]), gap=GAPS)
    def unmeasured(self, hand, gap):
        self.stamp_ns += gap
        self.now += gap / 1e9
        known = self.last is not None
        self.call(goal_of(self.hand, np.zeros(6), 0.0), hand, None)
        assert not known or not self.safety.armed

    @rule(joints=st.sampled_from([JOINTS * np.nan, np.array(ROBOT.joint_limits)[:, 1]]))
    def bad_joints(self, joints):
        self.stamp_ns += PERIOD
        self.call(goal_of(self.hand, np.zeros(6), 0.0), self.hand, joints)
        assert not self.safety.armed

    @rule(back=st.integers(1, 10 * PERIOD))
    def time_goes_back(self, back):
        known = self.last is not None
        self.stamp_ns -= back
        self.call(goal_of(self.hand, np.zeros(6), 0.0), self.hand, JOINTS)
        assert not known or not self.safety.armed

    @rule(cause=st.sampled_from(sorted(CAUSES)), waited=st.floats(0, 1))
    def stop(self, cause, waited):
        if self.safety.armed:
            self.held, self.velocity = None, np.zeros(6)
        self.safety.trip(cause, f"{cause} it is")
        self.now += waited
        answer = self.safety.hold()
        assert not self.safety.armed
        assert (answer is None) == (self.last is None)
        if answer is not None:
            assert self.held is None or answer is self.held
            self.check_stopped(answer, None)
            self.last, self.opening, self.answer = answer, answer.gripper, None

    @rule(cause=st.sampled_from(sorted(CAUSES)))
    def over(self, cause):
        before = set(self.safety.causes)
        self.safety.over(cause)
        if before and self.safety.armed:
            assert before <= self.automatic
            self.held, self.velocity = None, np.zeros(6)

    @precondition(lambda self: not self.safety.armed)
    @rule()
    def arm(self):
        with contextlib.suppress(SafetyError):
            self.safety.arm()
        if self.safety.armed:
            self.held, self.velocity = None, np.zeros(6)

    @rule()
    def new_episode(self):
        asked = set(self.safety.causes) & {"e-stop", "deadman", "stop request"}
        self.safety.reset()
        assert set(self.safety.causes) == asked
        self.safety.gripper_seen(0.04)
        self.hand, self.velocity, self.opening = HOME, np.zeros(6), 0.04
        self.held = self.last = self.answer = self.heard_ns = None

    @invariant()
    def says_why(self):
        if hasattr(self, "safety"):
            assert self.safety.armed == (not self.safety.causes) == (self.safety.reason is None)


TestOperation = Operation.TestCase
TestOperation.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

ACTIONS = st.lists(st.lists(st.floats(-0.3, 0.3), min_size=7, max_size=7).map(np.array), min_size=1, max_size=30)


@given(ACTIONS)
def test_smooth_sequences_pass_untouched_and_bit_equal(corners):
    """Actions that go from rest, and from one to the next, within four steps, as the models' do."""
    safeties, hands = (Safety(PANDA), Safety(PANDA)), [HOME, HOME]
    pairs = itertools.pairwise([np.zeros(7), *corners])
    actions = [a + (b - a) * part for a, b in pairs for part in (0, 0.25, 0.5, 0.75)]
    for step, action in enumerate(actions):
        command = to_command(action, hands[0], PANDA)
        assume((PANDA.limits.workspace.inside(command.pose[:3]) > 0).all())
        assert safeties[0].allow(command, hands[0], None, step * PERIOD) is command
        other = safeties[1].allow(to_command(action, hands[1], PANDA), hands[1], None, step * PERIOD)
        np.testing.assert_array_equal(other.pose, command.pose)
        hands = [moved(hand, 0.2 * offset_between(hand, command.pose)) for hand in hands]


@given(st.lists(st.tuples(OFFSETS, OPENINGS, GAPS), max_size=20))
def test_the_same_again_is_the_same_to_the_bit(rows):
    def run():
        safety, stamp_ns, answers = Safety(ROBOT, lambda: 0.0), 0, []
        for offset, opening, gap in rows:
            stamp_ns += gap
            with np.errstate(over="ignore"):
                answer = safety.allow(goal_of(HOME, offset, opening), HOME, JOINTS, stamp_ns)
            answers.append(np.zeros(8) if answer is None else np.append(answer.pose, answer.gripper))
        return answers, safety.causes

    np.testing.assert_equal(run(), run())


@given(st.lists(st.just(FARTHEST) | ORDINARY, max_size=20))
def test_what_one_has_limited_passes_another_untouched(offsets):
    first, second, hand = Safety(PANDA), Safety(PANDA), HOME
    for step, offset in enumerate(offsets):
        once = first.allow(goal_of(HOME, offset, 0.08), hand, None, step * PERIOD)
        assert second.allow(once, hand, None, step * PERIOD) is once
        hand = moved(HOME, 0.01 * np.roll(offset, step))
