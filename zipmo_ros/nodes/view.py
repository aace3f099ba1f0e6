"""One camera: what came of it, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from zipmo_ros.contract.stamps import EPISODE_BREAK_NS
from zipmo_ros.nodes import states
from zipmo_ros.nodes.states import State
from zipmo_ros.runtime.freshness import TOLERANCE, Freshness
from zipmo_ros.runtime.latency import LatencyWindow

LATE = 0.25  # s after its stamp at which an image arrives late: a slow clock, or a slow network
OTHER_TIME = 86400.0  # s that two clocks differ by when they don't mean the same time, as simulated and real time
OFFSETS = 20  # images that a clock's offset is the median of
FROZEN = 0.5  # s that a picture may keep coming for while the arm moves: a live one has noise
MOVED = 0.02  # rad of one joint, by which what a camera sees of the arm has changed


class Seen(NamedTuple):
    """A state, and what was seen of it."""

    state: State
    text: str


class View:
    """Judges the images of one camera by their arrival, stamps and content.

    topic: whose they are. timeout: s without anything new that is a state of its own. clock: seconds that never go
    back. ros_time: () -> ns of the clock that stamps should be of.
    """

    def __init__(self, topic: str, timeout: float, clock: Callable[[], float], ros_time: Callable[[], int]):
        self.topic, self._timeout, self._clock, self._ros_time = topic, timeout, clock, ros_time
        self._fresh = Freshness(topic, FROZEN, clock=clock)
        self.size: tuple[int, ...] | None = None  # (height, width) of its images
        self.told_size: tuple[int, int] | None = None  # as camera_info has it
        self.reset()

    def reset(self) -> None:
        """As if it had begun just now."""
        self._arrived = self._taken = self._clock()
        self._refused: Seen | None = None
        self._offsets = LatencyWindow(OFFSETS)
        self._look_anew()

    def _look_anew(self) -> None:
        self._image: np.ndarray | None = None
        self._stamp_ns: int | None = None
        self._since = self._clock()  # when it began to look as it does
        self._posture: np.ndarray | None = None  # of the arm, since the image looks as it does
        self._fresh.reset()

    @property
    def silence(self) -> float:
        """Seconds since anything came."""
        return self._clock() - self._arrived

    def arrived(self, stamp_ns: int) -> None:
        """An image came. Raises ValueError for a camera whose clock is ahead: what it says to be now is the past."""
        if self.silence > self._timeout:
            self._look_anew()  # the time without images says nothing of their content
        self._arrived = self._clock()
        now_ns = self._ros_time()
        if now_ns and abs(stamp_ns - now_ns) < OTHER_TIME * 1e9:
            self._offsets.add((stamp_ns - now_ns) / 1e9)
        if self.ahead:
            self.refuse(Seen(states.CLOCK_AHEAD, self.said_offset()))
            raise ValueError(f"{self.said_offset()}")

    def refuse(self, why: Seen) -> None:
        """What came can't be used."""
        self._refused = why

    def take(self, stamp_ns: int, image: np.ndarray, posture: np.ndarray | None) -> bool:
        """What came can be read. Returns whether it is a picture of now: one that keeps coming while joints [n] move,
        or while they are not known, is none.
        """
        if self._stamp_ns is not None and abs(stamp_ns - self._stamp_ns) > EPISODE_BREAK_NS:
            self._look_anew()  # another episode, of which the posture that is known by now may not be
            posture = None
        elif self._posture is None and posture is not None:
            self._look_anew()  # from now on it is known whether the arm moves
        if self._image is None or not np.array_equal(image, self._image):
            self._posture, self._since = posture, self._clock()
        moving = posture is None or self._posture is None or np.abs(posture - self._posture).max() > MOVED
        self._image, self._stamp_ns = image, stamp_ns
        self._fresh.feed(stamp_ns, image, bool(moving))
        self._taken, self._refused = self._clock(), None
        return not self._frozen()

    def problem(self) -> Seen | None:
        """What is wrong with images that come; None if nothing is."""
        if self._refused is not None and self._clock() - self._taken > self._timeout:
            return self._refused
        if self.silence > self._timeout:
            return None
        if self._frozen():
            arm = "the arm moves" if self._posture is not None else "no joint states say that the arm stands still"
            text = f"{self.topic} shows the same for {self._clock() - self._since:.1f} s while {arm}"
            return Seen(states.PICTURE_FROZEN, text)
        if (silence := self._fresh.silence) is not None and silence > self._timeout:
            return Seen(states.STAMPS_STAND, f"{self.topic} has kept one stamp for {silence:.1f} s")
        return None

    def misinformed(self) -> Seen | None:
        """Where camera_info is of images of another size."""
        if self.size is None or self.told_size is None or self.size == self.told_size:
            return None
        told, size = (f"{height} x {width}" for height, width in (self.told_size, self.size))
        text = f"the camera_info of {self.topic} is of {told} pixels, its images {size}"
        return Seen(states.CAMERA_INFO_DIFFERS, text)

    @property
    def offset(self) -> float | None:
        """Seconds by which stamps are ahead of the ROS time here (behind: negative); None where that means nothing."""
        return self._offsets.p50 if len(self._offsets) >= OFFSETS // 4 else None

    @property
    def ahead(self) -> bool:
        return (self.offset or 0.0) > TOLERANCE

    @property
    def late(self) -> bool:
        return (self.offset or 0.0) < -LATE

    def said_offset(self) -> str:
        """How its clock stands to the one here, for people."""
        offset = self.offset
        if offset is None:
            return f"the clock of {self.topic} can't be compared with this machine's ROS time"
        side = "ahead of" if offset > 0 else "behind"
        return f"the clock of {self.topic} is {abs(offset):.2f} s {side} this machine's ROS time"

    def _frozen(self) -> bool:
        problem = self._fresh.problem()
        return problem is not None and problem[0] == "frozen content"
