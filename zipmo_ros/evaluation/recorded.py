"""What a recorded robot saw and felt, put together from the messages of a bag as the nodes do it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zipmo_ros.contract import topics
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.reading import read_image, read_pose, read_proprio, to_ns
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import EPISODE_BREAK_NS, goes_on, nearest_step
from zipmo_ros.data.bag import Heard
from zipmo_ros.runtime.history import History
from zipmo_ros.runtime.pairing import ApproximatePairing

KEPT_NS = 2 * 10**9  # of joint states and poses, to find those of an image's or a command's stamp


class RecordedSenses:
    """Takes a bag's messages in the order of receipt. size: pixels a side of the images that come out. skew_ns: most
    that the images of one moment are apart; 0: half a control step.

    `episodes` counts how often time began anew: at the first image, and where stamps go back or leap.
    Steps count from the first image of an episode that the bag holds.
    """

    def __init__(self, robot: RobotSpec, size: int, transport: str = "raw", skew_ns: int = 0):
        self._robot, self._size = robot, size
        self._views = {topics.image_topic(view, transport): view for view in robot.views}
        self._pairing = ApproximatePairing(robot.views, skew_ns or robot.period_ns // 2)
        self._joints: History[np.ndarray] = History(KEPT_NS)
        self._hands: History[np.ndarray] = History(KEPT_NS)
        self._began_ns = self._newest_ns = -1
        self.episodes = 0

    @property
    def topics(self) -> tuple[str, ...]:
        """What has to be read for it."""
        return (*self._views, topics.JOINT_STATES, topics.CURRENT_POSE)

    def take(self, heard: Heard) -> Observation | None:
        """The observation that a message completes: images of one moment that were not seen before, and the joints and
        the hand as they were known by then. Raises ValueError for a message that the nodes drop.
        """
        stamp_ns = to_ns(heard.message.header.stamp)
        if heard.topic == topics.JOINT_STATES:
            self._joints.add_or_restart(stamp_ns, read_proprio(heard.message, self._robot.proprio_names))
        elif heard.topic == topics.CURRENT_POSE:
            self._hands.add_or_restart(stamp_ns, read_pose(heard.message, self._robot))
        elif view := self._views.get(heard.topic):
            image = self._robot.camera(view).to_model(read_image(heard.message), self._size)
            moment = self._pairing.add(view, stamp_ns, image)
            if moment is not None and moment.stamp_ns != self._newest_ns:  # else shown once more
                return self._observe(moment.stamp_ns, moment.values)
        return None

    def at(self, stamp_ns: int, step: int = 0, images: Mapping[str, np.ndarray] | None = None) -> Observation:
        """What was felt nearest to a stamp, as far as it is known by now, and these images."""
        proprio = self._joints.nearest(stamp_ns)
        proprio = np.empty(0, np.float32) if proprio is None else proprio
        return Observation(stamp_ns, step, images or {}, proprio, self._hands.nearest(stamp_ns))

    def felt(self, stamp_ns: int) -> bool:
        """Whether joints and hand of this very stamp are known by now."""
        return self._joints.at(stamp_ns) is not None and self._hands.at(stamp_ns) is not None

    def belongs(self, stamp_ns: int) -> bool:
        """Whether a stamp is of the episode that the newest images are of."""
        return bool(self.episodes) and self._began_ns <= stamp_ns <= self._newest_ns + EPISODE_BREAK_NS

    def _observe(self, stamp_ns: int, images: dict[str, np.ndarray]) -> Observation:
        if not self.episodes or not goes_on(self._newest_ns, stamp_ns):
            self._began_ns = stamp_ns
            self.episodes += 1
        self._newest_ns = stamp_ns
        return Observation(stamp_ns, nearest_step(stamp_ns - self._began_ns, self._robot.period_ns), images)
