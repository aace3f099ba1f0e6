"""The two rigs: an arm by its messages alone behind the arm's node, and the simulated Panda."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import Image, JointState

from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.contract.arm import CommandKind
from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.robot import DEFAULT, load_robot
from zipmo_ros.contract.share import share_path
from zipmo_ros.nodes.faults.fake_arms import KEPT, STAND_INS, CrispStandIn, FakeArm
from zipmo_ros.nodes.faults.rig import ROBOT_FILE, Rig
from zipmo_ros.nodes.faults.taps import DIVERTED, Tap, relay
from zipmo_ros.nodes.graph import ANY_GRAPH, ARM, Argument, Graph, NodeEntry
from zipmo_ros.nodes.wire import messages, topics

PLANNER = NodeEntry("planner", "", "zipmo_ros.nodes.faults.moving_planner", "planner.yaml")
POLICY = NodeEntry("policy", "", "zipmo_ros.nodes.faults.moving_policy", "policy.yaml")
SIM = NodeEntry("sim", "", "zipmo_ros.nodes.faults.watched_sim", "sim.yaml")
LANE = (0.15, 0.35, 0.08)  # m from where the hand begins, to either side: the workspace of the drills
DRIFT = 0.05  # m off its line, from which on the hand is put back
ENDLESS = "10000"  # control steps of an episode


def _graph(nodes: tuple[NodeEntry, ...], parameters: Mapping[tuple[str, str], str]) -> Graph:
    """parameters: {(node, parameter): value}."""
    arguments = (Argument(f"{node}.{name}", value, "", ((node, name),)) for (node, name), value in parameters.items())
    return Graph("What faults are tried on", nodes, (*arguments, *ANY_GRAPH))


def robot_folder(**changes: dict[str, Any]) -> tempfile.TemporaryDirectory[str]:
    """Has the robot's file for the drills, with other values in sections, and cameras that say their size."""
    plain = yaml.safe_load(share_path(f"config/robots/{DEFAULT}.yaml").read_text())
    for section, values in changes.items():
        plain[section] |= values
    for camera in plain["cameras"].values():
        camera["size"] = [IMAGE_SIZE, IMAGE_SIZE]
    folder = tempfile.TemporaryDirectory(prefix="zipmo_faults_")
    Path(folder.name, ROBOT_FILE).write_text(yaml.safe_dump(plain))
    return folder


def lane() -> dict[str, Any]:
    """A workspace narrowed to where the drills of a message-level arm take place."""
    robot = load_robot()
    assert robot.arm is not None
    hand = Kinematics(robot).forward(np.array(robot.arm.home))[:3]
    return {"lower": (hand - LANE).tolist(), "upper": (hand + LANE).tolist(), "planes": []}


class ArmRig(Rig):
    """A message-level arm with cameras. interface: kind of its controller. parameters: {(node, parameter): value}."""

    def __init__(self, interface: CommandKind, parameters: Mapping[tuple[str, str], str], domain: int | None = None,
                 log: Path | None = None):  # fmt: skip
        self.interface = interface
        response = {"gain": CrispStandIn.STIFFNESS, "lag_s": 0.0}  # as one who has calibrated it would write
        folder = robot_folder(limits={"workspace": lane()}, response=response)
        given = {
            **{(node, "robot"): f"{folder.name}/{ROBOT_FILE}" for node in ("planner", "policy", "arm")},
            ("arm", "command_interface"): interface,
            ("arm", "gripper_interface"): "position_array",
            **parameters,
        }
        graph = _graph((PLANNER, POLICY, ARM), given)
        super().__init__(folder, graph, graph.values({}), ("policy", "arm"), domain, log)
        self.arm: FakeArm = self.add(STAND_INS[interface](self.robot, **self.options()))
        self._home = self.arm.hand
        self.taps |= self.arm.taps
        self._shade = 0
        self.taps |= {
            view: Tap(self.node.create_publisher(Image, topics.image_topic(view), topics.SENSOR))
            for view in self.robot.views
        }
        self.node.create_timer(self.robot.period_s, self._look)

    @property
    def hands(self) -> deque[tuple[float, np.ndarray]]:
        return self.arm.hands

    def bring_back(self) -> None:
        off = np.abs(self.arm.hand - self._home)
        if max(off[0], off[2], off[1] - LANE[1] / 2) > DRIFT:
            assert self.robot.arm is not None
            self.arm.place(np.array(self.robot.arm.home))

    def _look(self) -> None:
        """Pictures that change."""
        self._shade = (self._shade + 1) % 256
        picture = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), self._shade, np.uint8)
        stamp_ns = self.node.get_clock().now().nanoseconds
        for view in self.robot.views:
            self.taps[view].publish(messages.image_message(picture, stamp_ns, view))


class SimRig(Rig):
    """The simulated Panda in real time, the policy before it. parameters: {(node, parameter): value}.

    setting: said of its findings; there is one only.
    """

    def __init__(self, setting: str, parameters: Mapping[tuple[str, str], str], domain: int | None = None,
                 log: Path | None = None):  # fmt: skip
        folder = robot_folder()
        given = {
            **{(node, "robot"): f"{folder.name}/{ROBOT_FILE}" for node in ("planner", "policy", "sim")},
            ("sim", "mode"): "realtime",
            ("sim", "max_steps"): ENDLESS,
            ("sim", "announce_instruction"): "false",
            **parameters,
        }
        graph = _graph((PLANNER, POLICY, SIM), given)
        super().__init__(folder, graph, graph.values({}), ("policy", "sim"), domain, log)
        self._hands: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self.taps["joints"] = relay(self.node, JointState, topics.JOINT_STATES, topics.SENSOR)
        self.taps["hand"] = relay(self.node, PoseStamped, topics.CURRENT_POSE, topics.COMMAND)
        for view in self.robot.views:
            self.taps[view] = relay(self.node, Image, topics.image_topic(view), topics.SENSOR)
        self._watch_hand()

    def _watch_hand(self) -> None:
        def take(message: PoseStamped) -> None:
            self._hands.append((time.monotonic(), messages.read_pose(message, self.robot)))

        self.node.create_subscription(PoseStamped, f"{DIVERTED}/{topics.CURRENT_POSE}", take, topics.COMMAND)

    @property
    def hands(self) -> deque[tuple[float, np.ndarray]]:
        return self._hands


RIGS: dict[str, Callable[..., Rig]] = {"arm": ArmRig, "sim": SimRig}
