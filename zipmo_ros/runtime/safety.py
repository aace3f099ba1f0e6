"""What every command passes before it leaves: it comes out limited, or the arm stops and stays so until it is armed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved, offset_between, problem_of
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.runtime import checks
from zipmo_ros.runtime.causes import MEASURED
from zipmo_ros.runtime.latch import Latch
from zipmo_ros.runtime.limiter import Limiter, within_speed

RECENT_S = 0.2  # s between two measured poses, at most, that tell how fast the hand is


class Safety(Latch):
    """Begins armed and at rest, with nothing known of the hand. One thread; no call blocks.

    Between stops no command breaks a limit of the robot. A stop itself is at once: the goal of the hand becomes the
    pose that its lag lets it come to rest at, so that it is not pulled back, and stays that, and the gripper neither
    opens nor lets go: it stays at what it was told or at where it was seen, whichever is more closed. A hand that moves
    again starts from rest.

    automatic: causes after which motion may resume by itself. clock: seconds that never go back; it only tells how far
    a hand in motion has come since it was measured.
    """

    def __init__(
        self, robot: RobotSpec, clock: Callable[[], float] = time.monotonic, automatic: Collection[str] = ()
    ) -> None:
        super().__init__(automatic)
        self.robot = robot
        self._clock, self._limiter = clock, Limiter(robot)
        self.forget()

    def forget(self) -> None:
        """Time or the hand has leapt: nothing is known of it any more. What stops the arm stays."""
        self._limiter.reset()
        self._stamp_ns: int | None = None
        self._then: np.ndarray | None = None  # the hand as measured at that stamp
        self._velocity = np.zeros(6)  # of the hand, as measured from the stamp before to this one
        self._hand: np.ndarray | None = None  # as last measured, at:
        self._at = 0.0
        self._seen_m: float | None = None  # opening of the gripper
        self._sent: Command | None = None
        self._answer: Command | None = None  # to the stamp, as long as it holds
        self._held: Command | None = None

    def reset(self) -> None:
        """An episode or an activation begins: armed unless a person asked for a stop, at rest, with nothing known."""
        super().reset()
        self.forget()

    def trip(self, cause: str, text: str) -> None:
        if self.armed:
            self._limiter.reset()
            self._held = self._answer = None
        super().trip(cause, text)

    def check_chunk(self, chunk: np.ndarray) -> str | None:
        """What is wrong with a chunk of actions [length, 7], of which then none may be executed; None if nothing is."""
        return checks.wrong_chunk(np.asarray(chunk, np.float64), self.robot)

    def gripper_seen(self, opening_m: float) -> None:
        """Where the gripper is. What is not finite says nothing."""
        if np.isfinite(opening_m):
            self._seen_m = float(opening_m)

    def hand_seen(self, hand: np.ndarray) -> str | None:
        """Where the hand has come to since the last command, pose [7]. A leap is not believed: how far it is."""
        if problem_of(hand):
            return None
        leap = None if self._hand is None else checks.leap(self._hand, hand, self.robot.limits)
        if leap is None:
            self._hand, self._at = hand.copy(), self._clock()
        return leap

    def allow(
        self, command: Command | None, hand: np.ndarray | None, joints: np.ndarray | None, stamp_ns: int
    ) -> Command | None:
        """What may be sent for the observation of this stamp; None while there is nothing to send.

        command: what is wanted; the very same comes out if it keeps all limits, else what comes closest. None: nothing,
        so the arm slows down and then holds its pose, which is no stop. hand: measured pose [7], None where this
        observation has none. joints: positions [n] of the robot's joints where they are known.

        It finds the causes `MEASURED` itself, and when they are over, so call it while stopped as well. The same stamp
        again gives the same answer, unless the arm has been stopped meanwhile. There is nothing to send before a pose
        has been measured, nor, for a stop before any command, until the gripper has been seen.
        """
        if stamp_ns == self._stamp_ns and self._answer is not None:
            return self._answer
        measured = None if hand is None or problem_of(hand) else hand
        leapt = self._leapt(hand, stamp_ns)
        problems = dict(self._problems(command, hand, joints, stamp_ns, leapt))
        trusted = self._expected() if measured is None or leapt else measured
        seconds = self._passed_s(stamp_ns)
        if measured is not None:
            self._hand, self._at = measured.copy(), self._clock()
        if not leapt:
            self._velocity = self._measured_velocity(measured, stamp_ns)
            self._then = measured
        self._stamp_ns = stamp_ns
        for cause, text in problems.items():
            self.trip(cause, text)
        for cause in MEASURED:
            if cause not in problems:
                self.over(cause)
        if not self.armed or measured is None:
            self._answer = self._hold(trusted)
        elif command is None:
            self._answer = self._stay(measured, seconds)
        else:
            self._held = None
            self._answer = self._limited(command, measured, seconds)
        self._sent = self._answer or self._sent
        return self._answer

    def hold(self) -> Command | None:
        """What to send for a stop between two observations: hold the pose that the hand has come to by now, by the
        robot's response. Call trip() first. None as in allow().
        """
        self._sent = self._hold(self._expected()) or self._sent
        return self._held

    def _problems(
        self, command: Command | None, hand: np.ndarray | None, joints: np.ndarray | None, stamp_ns: int,
        leapt: str | None,
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        """(cause, text) of whatever is wrong."""
        since_ns = 0 if self._stamp_ns is None else stamp_ns - self._stamp_ns
        if since_ns < 0:
            yield "backward stamp", f"stamps went back by {-since_ns / 1e9:.3f} s, to {stamp_ns / 1e9:.3f} s"
        if joints is not None and (found := checks.wrong_joints(joints, self.robot)):
            yield found
        if hand is None or (text := problem_of(hand)):
            if self._hand is not None:
                yield "no measured pose", "the hand was not measured" if hand is None else f"of the hand, {text}"
            return
        if leapt is not None:
            yield "jump", f"the hand was measured {leapt} from where it was before"
        if command is not None and (found := checks.wrong_command(command, hand, self.robot.limits)):
            yield found

    def _leapt(self, hand: np.ndarray | None, stamp_ns: int) -> str | None:
        """How far, where a hand is measured farther from where it was than it can have come."""
        if hand is None or self._hand is None or problem_of(hand):
            return None
        since_s = 0.0 if self._stamp_ns is None else max(0, stamp_ns - self._stamp_ns) / 1e9
        return checks.leap(self._hand, hand, self.robot.limits, since_s)

    def _measured_velocity(self, hand: np.ndarray | None, stamp_ns: int) -> np.ndarray:
        """m/s and rad/s [6] from the last stamp to this one, as far as the hand may be so fast; none where it is not
        known, or was too long ago.
        """
        since_s = 0.0 if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / 1e9
        if hand is None or self._then is None or not 0 < since_s <= RECENT_S:
            return np.zeros(6)
        return within_speed(offset_between(self._then, hand) / since_s, self.robot.limits)

    def _passed_s(self, stamp_ns: int) -> float:
        """Seconds from the last stamp to this one, a control step at most."""
        if self._stamp_ns is None:
            return self.robot.period_s
        return min(max(stamp_ns - self._stamp_ns, 0) / 1e9, self.robot.period_s)

    def _limited(self, command: Command, hand: np.ndarray, seconds: float) -> Command | None:
        """The command, as far as motion and gripper may change in this time."""
        gain = self.robot.response.gain
        wanted = gain * offset_between(hand, command.pose)
        velocity = self._limiter.limited(wanted, seconds)
        reached = velocity is wanted
        pose = command.pose if reached else moved(hand, velocity / gain)
        if not reached and (text := checks.outside(pose, hand, self.robot.limits)):  # it can't turn back in time
            self.trip("workspace", text)
            return self._hold(hand)
        opening = self._opening(command.gripper, seconds)
        return command if reached and opening == command.gripper else Command(pose, opening)

    def _opening(self, wanted_m: float, seconds: float) -> float:
        """What the gripper may be told."""
        wanted_m = min(max(wanted_m, 0.0), self.robot.gripper_open_m)
        rate, before_m = self.robot.limits.gripper_rate_m_s, self._sent.gripper if self._sent else self._seen_m
        if rate is None or before_m is None:
            return wanted_m
        return min(max(wanted_m, before_m - rate * seconds), before_m + rate * seconds)

    def _stay(self, hand: np.ndarray, seconds: float) -> Command | None:
        """Slow down, then hold the pose where that ended."""
        rest = self._hold(hand)
        if rest is None:
            return None
        answer = self._limited(rest, hand, seconds)
        if self.armed and answer is not rest:
            self._held = None
        return answer

    def _hold(self, hand: np.ndarray | None) -> Command | None:
        """The pose that is held, from now on this one, if none was."""
        told_m = None if self._sent is None else self._sent.gripper
        openings = [opening for opening in (told_m, self._seen_m) if opening is not None]
        if self._held is None and hand is not None and openings:
            self._held = Command(self._at_rest(hand), min(openings))
        return self._held

    def _at_rest(self, hand: np.ndarray) -> np.ndarray:
        """Where a hand that is told to hold stands still in the end, if that is allowed."""
        pose = moved(hand, self.robot.response.lag_s * self._velocity)
        return hand.copy() if checks.outside(pose, hand, self.robot.limits) else pose

    def _expected(self) -> np.ndarray | None:
        """Where the hand must be by now."""
        if self._hand is None or self._sent is None:
            return self._hand
        share = self.robot.response.share(self._clock() - self._at)
        return moved(self._hand, share * offset_between(self._hand, self._sent.pose)) if share else self._hand
