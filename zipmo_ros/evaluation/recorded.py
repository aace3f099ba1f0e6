"""What a recorded robot saw and felt, put together from the messages of a bag as the nodes do it."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from zipmo_ros.contract import topics
from zipmo_ros.contract.observation import Observation
from zipmo_ros.contract.reading import read_image, read_pose, read_proprio, to_ns
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.contract.stamps import EPISODE_BREAK_NS, nearest_step
from zipmo_ros.data.bag import Heard
from zipmo_ros.runtime.pairing import Pairing

KEPT = 64  # joint states and poses, to find those of an image's stamp


class RecordedSenses:
    """Takes a bag's messages in the order of receipt. size: pixels a side of the images that come out.

    `episodes` counts how often time began anew: at the first image, and where stamps go back or leap.
    Steps count from the first image of an episode that the bag holds.
    """

    def __init__(self, robot: RobotSpec, size: int, transport: str = "raw"):
        self._robot, self._size = robot, size
        self._views = {topics.image_topic(view, transport): view for view in robot.views}
        self._pairing = Pairing(robot.views, depth=4)
        self._joints: OrderedDict[int, np.ndarray] = OrderedDict()
        self._hands: OrderedDict[int, np.ndarray] = OrderedDict()
        self._began_ns = self._newest_ns = -1
        self.episodes = 0

    @property
    def topics(self) -> tuple[str, ...]:
        """What has to be read for it."""
        return (*self._views, topics.JOINT_STATES, topics.CURRENT_POSE)

    def take(self, heard: Heard) -> Observation | None:
        """The observation that a message completes: images of one stamp that were not seen before, and the joints and
        the hand as they were known by then. Raises ValueError for a message that the nodes drop.
        """
        stamp_ns = to_ns(heard.message.header.stamp)
        if heard.topic == topics.JOINT_STATES:
            self._keep(self._joints, stamp_ns, read_proprio(heard.message, self._robot.proprio_names))
        elif heard.topic == topics.CURRENT_POSE:
            self._keep(self._hands, stamp_ns, read_pose(heard.message, self._robot))
        elif view := self._views.get(heard.topic):
            image = self._robot.camera(view).to_model(read_image(heard.message), self._size)
            images = self._pairing.add(view, stamp_ns, image)
            if images is not None and stamp_ns != self._newest_ns:  # else shown once more
                return self._observe(stamp_ns, images)
        return None

    def at(self, observation: Observation) -> Observation:
        """The same with the joint state and the hand's pose nearest to its stamp of those known by now."""
        proprio = self._nearest(self._joints, observation.stamp_ns)
        return Observation(
            observation.stamp_ns,
            observation.step,
            observation.images,
            observation.proprio if proprio is None else proprio,
            self.hand_at(observation.stamp_ns),
        )

    def felt(self, stamp_ns: int) -> bool:
        """Whether the hand's pose of this very stamp is known by now."""
        return stamp_ns in self._hands

    def hand_at(self, stamp_ns: int) -> np.ndarray | None:
        """The pose of the hand that was measured nearest to a stamp."""
        return self._nearest(self._hands, stamp_ns)

    def _observe(self, stamp_ns: int, images: dict[str, np.ndarray]) -> Observation:
        if not self.episodes or not 0 < stamp_ns - self._newest_ns <= EPISODE_BREAK_NS:
            self._began_ns = stamp_ns
            self.episodes += 1
        self._newest_ns = stamp_ns
        return Observation(stamp_ns, nearest_step(stamp_ns - self._began_ns, self._robot.period_ns), images)

    @staticmethod
    def _keep(held: OrderedDict[int, np.ndarray], stamp_ns: int, value: np.ndarray) -> None:
        held.pop(stamp_ns, None)
        held[stamp_ns] = value
        while len(held) > KEPT:
            held.popitem(last=False)

    @staticmethod
    def _nearest(held: OrderedDict[int, np.ndarray], stamp_ns: int) -> np.ndarray | None:
        return held[min(held, key=lambda other: abs(other - stamp_ns))] if held else None
