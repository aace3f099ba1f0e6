"""What passes, what stops, and what it takes to go on."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sources import ROOT

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.limits import MotionLimits, Workspace
from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.causes import CAUSES, MEASURED
from zipmo_ros.runtime.commands import to_command
from zipmo_ros.runtime.latch import SafetyError
from zipmo_ros.runtime.safety import Safety

ROBOT = load_robot()
HAND = np.array([0.5, 0, 0.2, 1, 0, 0, 0])
JOINTS = np.mean(ROBOT.joint_limits, axis=1)
EXTERNAL = [cause for cause in CAUSES if cause not in MEASURED]


def goal(*offset, gripper=0.08, hand=HAND):
    """The command that moves a hand by this offset."""
    return Command(moved(hand, np.array([*offset, *[0.0] * 6][:6])), gripper)


class Arm:
    """Steps a Safety, 20 times a second of its own clock."""

    def __init__(self, **options):
        self.now, self.step = 0.0, 0
        self.safety = Safety(options.pop("robot", ROBOT), clock=lambda: self.now, **options)
        self.safety.gripper_seen(0.03)

    def allow(self, command, hand=HAND, joints=JOINTS, steps=1):
        self.step, self.now = self.step + steps, self.now + max(0, steps) * ROBOT.period_s
        return self.safety.allow(command, hand, joints, self.step * ROBOT.period_ns)


@pytest.fixture
def arm():
    return Arm()


def changed(**limits):
    """The robot with other limits."""
    return replace(ROBOT, limits=replace(ROBOT.limits, **limits))


def test_an_ordinary_command_is_the_very_same(arm):
    for command in (goal(0.05), goal(-0.02, 0.03, 0, 0.1), goal()):
        assert arm.allow(command) is command
    assert arm.safety.armed
    assert arm.safety.reason is None


def test_nothing_recorded_of_the_shipped_models_is_changed():
    recorded = np.load(ROOT / "test/actions/actions.npz")
    for episode in set(recorded.files) - {"facts"}:
        arm = Arm()
        for action in recorded[episode]:
            command = to_command(action, HAND, ROBOT)
            assert arm.allow(command) is command
        assert arm.safety.check_chunk(recorded[episode]) is None


def test_what_is_too_fast_is_slower(arm):
    velocity = arm.allow(goal(0.14)).pose[0] - HAND[0]
    limits = ROBOT.limits.translation
    assert ROBOT.response.gain * velocity == pytest.approx(limits.change(ROBOT.period_s))
    assert arm.allow(goal(0.14)).pose[0] - HAND[0] == pytest.approx(limits.velocity / ROBOT.response.gain)


@pytest.mark.parametrize(
    ("cause", "text", "now"),
    [
        ("not finite", "of the goal, the pose is not finite", {"command": goal(np.nan)}),
        ("not finite", "quaternion has length 2.000", {"command": Command(HAND * [1, 1, 1, 2, 2, 2, 2], 0.0)}),
        ("not finite", "opening is nan", {"command": goal(0.01, gripper=float("nan"))}),
        ("not finite", "joints at", {"joints": JOINTS * np.nan}),
        ("jump", "the goal is 0.200 m and 0.00 rad away", {"command": goal(0.2)}),
        ("jump", "and 1.30 rad away", {"command": goal(0, 0, 0, 0, 0, 1.3)}),
        ("jump", "the hand was measured 0.300 m", {"hand": moved(HAND, [0.3, 0, 0, 0, 0, 0]), "command": None}),
        ("workspace", "m above z", {"hand": moved(HAND, [0, 0, 0.79, 0, 0, 0]), "command": goal(0, 0, 0.85)}),
        ("joint margin", "joint1 at -2.897 rad is 0.000 rad inside", {"joints": np.array(ROBOT.joint_limits)[:, 0]}),
        ("no measured pose", "the hand was not measured", {"hand": None}),
        ("no measured pose", "of the hand, the pose is not finite", {"hand": np.full(7, np.inf)}),
        ("backward stamp", "went back by 0.050 s", {"steps": -1}),
    ],
)
def test_each_of_these_stops(arm, cause, text, now):
    if cause == "workspace":  # get there first
        arm.allow(None, now["hand"])
    else:
        arm.allow(goal(0.01))
    held = arm.allow(now.pop("command", goal(0.01)), **now)
    assert list(arm.safety.causes) == [cause]
    assert text in arm.safety.reason
    hand = now.get("hand", HAND)
    if "hand was measured" in text:  # a pose that leaps is not one to go to
        assert np.linalg.norm(held.pose[:3] - HAND[:3]) < 0.01
    elif cause != "no measured pose":
        np.testing.assert_array_equal(held.pose, hand)
    assert np.isfinite(held.pose).all()
    assert held.gripper == 0.03


def test_a_stop_lasts_until_armed_and_its_goal_stays(arm):
    arm.allow(goal(0.05))
    arm.safety.trip("stale plan", "no plans")
    held = arm.allow(goal(0.05), moved(HAND, [0.01, 0, 0, 0, 0, 0]))
    rest = 0.51 + 0.2 * ROBOT.response.lag_s  # of 0.2 m/s
    np.testing.assert_allclose(held.pose[:3], [rest, 0, 0.2])
    assert arm.allow(goal(0.05), moved(HAND, [0.012, 0, 0, 0, 0, 0])) is held
    assert arm.safety.hold() is held
    with pytest.raises(SafetyError, match=r"not armed: no plans \(stale plan: start the planner\)"):
        arm.safety.arm()
    arm.safety.over("stale plan")
    assert arm.allow(goal(0.05)) is held
    arm.safety.arm()
    command = goal(0.05)
    assert arm.allow(command) is command


def test_all_causes_are_told_and_have_to_be_over(arm):
    arm.allow(goal())
    arm.safety.trip("e-stop", "pressed")
    arm.safety.trip("stale plan", "silent for 0.41 s")
    arm.safety.trip("stale plan", "silent for 0.46 s")
    assert arm.safety.reason == "silent for 0.41 s; pressed"
    arm.safety.over("stale plan")
    with pytest.raises(SafetyError, match=r"^not armed: pressed \(e-stop: publish false on emergency_stop\)$"):
        arm.safety.arm()
    arm.safety.over("e-stop")
    assert not arm.safety.armed
    arm.safety.arm()
    assert arm.safety.armed


def test_a_request_persists_not(arm):
    arm.safety.trip("stop request", "~/stop was called")
    arm.safety.arm()
    assert arm.safety.armed


@pytest.mark.parametrize("cause", ["e-stop", "deadman", "stop request"])
def test_what_a_person_asked_for_outlasts_an_episode(arm, cause):
    arm.safety.trip(cause, "asked for")
    arm.safety.trip("stale plan", "no plans")
    arm.safety.reset()
    assert arm.safety.reason == "asked for"


def test_an_emergency_stop_has_to_be_released_in_the_next_episode_too(arm):
    arm.safety.trip("e-stop", "pressed")
    arm.safety.reset()
    with pytest.raises(SafetyError, match="pressed"):
        arm.safety.arm()
    arm.safety.over("e-stop")
    arm.safety.arm()


def test_after_a_stop_the_hand_starts_from_rest(arm):
    first = arm.allow(goal(0.14))
    arm.allow(goal(0.14))
    arm.safety.trip("stop request", "~/stop was called")
    arm.safety.arm()
    np.testing.assert_array_equal(arm.allow(goal(0.14)).pose, first.pose)


def test_a_stop_at_rest_holds_the_pose_of_the_stop(arm):
    pushed = moved(HAND, [0.02, 0, 0, 0, 0, 0])
    arm.allow(None, pushed)
    arm.safety.trip("e-stop", "pressed")
    np.testing.assert_array_equal(arm.allow(None, pushed).pose, pushed)


def test_a_hand_that_seems_faster_than_it_may_be_is_not_believed_to_go_so_far(arm):
    arm.allow(goal(0.05))
    arm.safety.trip("e-stop", "pressed")
    leapt = moved(HAND, [0, 0.1, 0, 0, 0, 0])  # 2 m/s
    far = arm.allow(None, leapt).pose[1] - leapt[1]
    assert far == pytest.approx(ROBOT.limits.translation.velocity * ROBOT.response.lag_s)


def test_causes_are_known():
    with pytest.raises(ValueError, match="'bad mood'; there are e-stop, deadman"):
        Safety(ROBOT).trip("bad mood", "")
    with pytest.raises(ValueError, match="'bad mood'"):
        Safety(ROBOT).over("bad mood")
    with pytest.raises(ValueError, match="'bad mood'"):
        Safety(ROBOT, automatic=["bad mood"])
    with pytest.raises(ValueError, match=r"never resumes by itself after e-stop; it may after deadman"):
        Safety(ROBOT, automatic=["stale plan", "e-stop"])


def test_only_chosen_causes_end_by_themselves():
    arm = Arm(automatic=["stale plan"])
    for others in ((), ("stale command",)):
        arm.safety.trip("stale plan", "no plans")
        for cause in others:
            arm.safety.trip(cause, "other")
            arm.safety.over(cause)
        assert not arm.safety.armed
        arm.safety.over("stale plan")
        assert arm.safety.armed == (not others)


def test_causes_that_it_finds_it_ends(arm):
    arm.allow(goal())
    arm.allow(goal(np.nan))
    with pytest.raises(SafetyError, match="not finite"):
        arm.safety.arm()
    assert not arm.safety.armed
    arm.allow(goal(0.01))
    arm.safety.arm()
    assert arm.allow(goal(0.01)).pose[0] > HAND[0]


def test_outside_only_the_way_back_is_open():
    arm = Arm(robot=changed(workspace=Workspace((0.1, -0.5, 0.0), (0.4, 0.5, 1.0), ((0, 0, 1.0, 0.1),))))
    back = goal(-0.02, 0.01)
    assert arm.allow(back) is back
    arm.allow(goal(0.001))
    assert arm.safety.reason.startswith("the goal [0.501, 0.0, 0.2] is outside of the workspace: 0.101 m above x")
    arm.safety.reset()
    inside = HAND - [0.2, 0, 0.09, 0, 0, 0, 0]
    arm.allow(goal(0, 0, -0.02, hand=inside), inside)
    assert "0.010 m behind plane (0, 0, 1.0, 0.1)" in arm.safety.reason


def test_what_can_not_turn_back_in_time_stops():
    slow = MotionLimits(velocity=0.5, acceleration=1.0, jerk=5000.0)
    arm = Arm(robot=changed(translation=slow, workspace=Workspace((0.1, -0.5, -0.5), (0.6, 0.5, 1.0))))
    for _ in range(4):
        arm.allow(goal(0.05))
    edge = moved(HAND, [0.09, 0, 0, 0, 0, 0])
    held = arm.allow(goal(hand=edge), edge)
    assert "m above x" in arm.safety.causes["workspace"]
    np.testing.assert_array_equal(held.pose, edge)


def test_nothing_wanted_is_rest_without_a_stop(arm):
    for _ in range(3):
        arm.allow(goal(0.1))
    slower = arm.allow(None)
    assert 0 < slower.pose[0] - HAND[0] < 0.05  # within the limits
    drifted = moved(HAND, [0.004, 0, 0, 0, 0, 0])
    held = arm.allow(None, drifted)
    np.testing.assert_allclose(held.pose, moved(drifted, [0.08 * ROBOT.response.lag_s, 0, 0, 0, 0, 0]))
    assert arm.allow(None, moved(HAND, [0.006, 0, 0, 0, 0, 0])) is held
    assert arm.safety.armed
    command = goal(0.05)
    assert arm.allow(command) is command


def test_nothing_to_send_before_anything_is_measured():
    safety = Safety(ROBOT)
    assert safety.allow(None, None, None, 0) is None
    safety.trip("e-stop", "pressed")
    assert safety.hold() is None
    assert safety.allow(None, HAND, None, 1) is None, "an arm that was told nothing has nothing to stop"
    safety.gripper_seen(float("nan"))
    assert safety.allow(None, HAND, None, 2) is None
    safety.gripper_seen(0.02)
    assert safety.allow(None, HAND, None, 3).gripper == 0.02


@pytest.mark.parametrize(("told", "seen", "held"), [(0.0, 0.03, 0.0), (0.08, 0.03, 0.03), (0.08, 0.08, 0.08)])
def test_a_stop_neither_opens_the_gripper_nor_lets_go(arm, told, seen, held):
    arm.allow(goal(gripper=told))
    arm.safety.gripper_seen(seen)
    arm.safety.trip("e-stop", "pressed")
    assert arm.safety.hold().gripper == held
    arm.safety.gripper_seen(0.079)
    assert arm.allow(goal(gripper=0.08)).gripper == held


def test_between_observations_the_hand_is_held_where_it_has_come_to(arm):
    arm.allow(goal(0.05))
    arm.now += 0.2
    arm.safety.trip("stale observation", "silence")
    held = arm.safety.hold()
    assert held.pose[0] - HAND[0] == pytest.approx(0.05 * (1 - np.exp(-0.2 * ROBOT.response.gain)))
    arm.now += 1.0
    assert arm.safety.hold() is held
    assert arm.allow(goal(0.05), moved(HAND, [0.03, 0, 0, 0, 0, 0])) is held


def test_the_gripper_moves_as_fast_as_it_may():
    arm = Arm(robot=changed(gripper_rate_m_s=0.2))
    assert [round(arm.allow(goal(gripper=0.0)).gripper, 9) for _ in range(5)] == [0.02, 0.01, 0.0, 0.0, 0.0]
    arm = Arm()
    assert [arm.allow(goal(gripper=opening)).gripper for opening in (0.08, 0.0, 0.5, -1.0)] == [0.08, 0.0, 0.08, 0.0]


def test_the_same_stamp_again_is_the_same_answer(arm):
    command = goal(0.01)
    assert arm.allow(command) is command
    assert arm.allow(goal(0.05), steps=0) is command
    arm.safety.trip("e-stop", "pressed")
    held = arm.allow(command, steps=0)
    np.testing.assert_array_equal(held.pose, HAND)
    arm.safety.over("e-stop")
    arm.safety.arm()
    assert arm.allow(command, steps=0) is held


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda chunk: chunk[:, :6], r"a chunk is \[length, 7\], this one \[16, 6\]"),
        (lambda chunk: chunk[:0], r"this one \[0, 7\]"),
        (lambda chunk: np.where(np.arange(16)[:, None] == 3, np.nan, chunk), "action 3 of the chunk is not finite"),
        (lambda chunk: chunk + 2.0 * (np.arange(16)[:, None] == 4), "action 4 of the chunk has an entry of 2.00"),
        (lambda chunk: chunk - 0.8 * (-1) ** np.arange(16)[:, None], "actions 0 and 1 of the chunk differ by 1.60"),
    ],
)
def test_chunks_are_checked_whole(change, text):
    chunk = np.zeros((16, 7))
    assert Safety(ROBOT).check_chunk(chunk) is None
    chunk[8:, 6] = 1.0
    chunk[:8, 6] = -1.0
    assert Safety(ROBOT).check_chunk(chunk) is None, "a gripper may close from one step to the next"
    chunk[:, 6] = 0.0
    assert re.search(text, Safety(ROBOT).check_chunk(change(chunk)))
