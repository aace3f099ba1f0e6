"""The cameras of a robot: images of one moment, as the models look at them, and what is wrong with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes import states
from zipmo_ros.nodes.managed import ManagedNode
from zipmo_ros.nodes.view import Seen, View
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.pairing import ApproximatePairing

TIMEOUT = 2.0  # s without anything new until that is a state of its own


class Cameras:
    """Subscribes to every view, and hands on what all of them show at one moment (see ApproximatePairing).

    on_images: (stamp in ns, {view: uint8 [size, size, 3]}). size: pixels a side of what the model looks at. clock:
    seconds that never go back. A picture that keeps coming while the joints move, or while nobody says that they
    don't, is handed on no more.
    """

    def __init__(
        self,
        node: ManagedNode,
        robot: RobotSpec,
        transport: str,
        on_images: Callable[[int, dict[str, np.ndarray]], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._node, self._robot, self._transport, self._on_images = node, robot, transport, on_images
        self.size = IMAGE_SIZE
        self._clock = clock
        self._joints: tuple[float, dict[str, float]] = (-TIMEOUT, {})  # when heard last, and where they are
        self._pairing = ApproximatePairing(robot.views, round(1e9 * node.settings.camera_skew) or robot.period_ns // 2)
        self._views = {
            view: View(topics.image_topic(view, transport), TIMEOUT, clock, self._ros_time) for view in robot.views
        }
        self._paired_at = clock()
        self._skew_ns: int | None = None
        kind = Image if transport == "raw" else CompressedImage
        for view in robot.views:
            node.subscribe(kind, topics.image_topic(view, transport), partial(self._on_image, view), topics.SENSOR)
            node.create_subscription(
                CameraInfo, topics.camera_info_topic(view), partial(self._on_info, view), topics.SENSOR
            )
        node.create_subscription(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR)

    def reset(self) -> None:
        """Forget what was seen."""
        self._pairing.reset()
        self._paired_at, self._skew_ns = self._clock(), None
        for view in self._views.values():
            view.reset()

    def check(self) -> None:
        """Report the states that the cameras are in."""
        for key, found in (
            ("cameras", next(self._problems(), None)),
            ("camera clocks", next(self._slow_clocks(), None)),
            ("camera info", next((seen for view in self._views.values() if (seen := view.misinformed())), None)),
        ):
            self._node.report.stands(key, found and found.state, found.text if found else "")

    def values(self) -> dict[str, Any]:
        """Numbers for /diagnostics."""
        offsets = {f"clock_offset_ms_{name}": view.offset for name, view in self._views.items()}
        return {
            "camera_skew_ms": None if self._skew_ns is None else self._skew_ns / 1e6,
            **{key: None if offset is None else 1e3 * offset for key, offset in offsets.items()},
        }

    def _problems(self) -> Iterator[Seen]:
        """What keeps images from being handed on, the first cause first."""
        silent = [name for name, view in self._views.items() if view.silence > TIMEOUT]
        if len(silent) == len(self._views):
            yield Seen(states.NO_IMAGES, "; ".join(map(self._silence, silent)))
        else:
            yield from (Seen(states.CAMERA_SILENT, self._silence(name)) for name in silent)
        wrong = [seen for view in self._views.values() if (seen := view.problem())]
        yield from sorted(wrong, key=lambda seen: seen.state.level, reverse=True)
        apart_ns = self._pairing.apart_ns
        if not silent and apart_ns is not None and self._clock() - self._paired_at > TIMEOUT:
            how = f"the nearest images of {' and '.join(self._views)} are {apart_ns / 1e9:.3f} s apart"
            clocks = ", ".join(view.said_offset() for view in self._views.values())
            yield Seen(states.CAMERAS_APART, f"{how} (at most {self._pairing.skew_ns / 1e9:.3f} s): {clocks}")

    def _slow_clocks(self) -> Iterator[Seen]:
        return (Seen(states.CLOCK_BEHIND, view.said_offset()) for view in self._views.values() if view.late)

    def _silence(self, name: str) -> str:
        """That nothing comes from a camera, and whether somebody publishes it."""
        topic = self._node.resolve_topic_name(self._views[name].topic)
        text = f"nothing heard on {topic} for {self._views[name].silence:.1f} s"
        publishers = [info.node_name for info in self._node.get_publishers_info_by_topic(topic)]
        if publishers:
            return f"{text}, which {', '.join(publishers)} publishes"
        for transport in topics.TRANSPORTS:
            other = self._node.resolve_topic_name(topics.image_topic(name, transport))
            if transport != self._transport and self._node.count_publishers(other):
                return f"{text}, but {other} is published: image_transport is {self._transport}, not {transport}"
        return f"{text}, which no node publishes"

    def _ros_time(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _on_image(self, name: str, message: Image | CompressedImage) -> None:
        view, stamp_ns = self._views[name], messages.to_ns(message.header.stamp)
        view.arrived(stamp_ns)
        try:
            delivered = messages.read_image(message)
            image = self._robot.camera(name).to_model(delivered, self.size)
        except ValueError as error:
            view.refuse(Seen(states.IMAGES_REFUSED, f"{view.topic}: {error}"))
            raise
        view.size = delivered.shape[:2]
        if not view.take(stamp_ns, image, self._posture()):
            return
        moment = self._pairing.add(name, stamp_ns, image)
        if moment is not None:
            self._paired_at, self._skew_ns = self._clock(), moment.skew_ns
            self._on_images(moment.stamp_ns, moment.values)

    def _on_info(self, name: str, message: CameraInfo) -> None:
        self._views[name].told_size = message.height, message.width

    def _on_joints(self, message: JointState) -> None:
        known = dict(zip(message.name, message.position, strict=False))
        places = {name: known[name] for name in self._robot.joints if name in known}
        if places:
            self._joints = self._clock(), {**self._joints[1], **places}

    def _posture(self) -> np.ndarray | None:
        """Joint angles as far as they are heard now, [n] in the robot's order; None if they aren't."""
        at, places = self._joints
        if self._clock() - at > TIMEOUT or len(places) < len(self._robot.joints):
            return None
        return np.array([places[name] for name in self._robot.joints])
