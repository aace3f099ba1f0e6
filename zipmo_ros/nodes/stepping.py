"""An arm led a control step at a time over ROS: commands in place of a policy's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.client import Client
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.arms.grippers import Gripper
from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.graph import ARM
from zipmo_ros.nodes.session import Session, session
from zipmo_ros.nodes.wire import messages, topics
from zipmo_ros.runtime.stepping import HandAt

LAST_WORDS = 1.0  # s for a stop to be answered


class CommandedArm:
    """Publishes command/pose and command/gripper for the node that drives the arm; the gripper stays as it is seen.

    Raises TimeoutError where nobody tells where the hand is or nobody listens, RuntimeError beside another commander.
    """

    def __init__(self, here: Session, robot: RobotSpec, timeout: float):
        self._here, self._robot, self._timeout = here, robot, timeout
        node = here.node
        self._hand: tuple[int, float, np.ndarray] | None = None  # stamp, when it came, pose
        self._opening: float | None = None
        arm = robot.arm
        self._gripper = None if arm is None else Gripper(robot, arm.gripper.interface)
        self._pose = node.create_publisher(PoseStamped, topics.POSE, topics.COMMAND)
        self._fingers = node.create_publisher(JointTrajectory, topics.GRIPPER, topics.COMMAND)
        node.create_subscription(PoseStamped, topics.CURRENT_POSE, self._on_hand, topics.SENSOR)
        node.create_subscription(JointState, topics.JOINT_STATES, self._on_joints, topics.SENSOR_PARTS)
        self._stop: Client = node.create_client(Trigger, f"{ARM.name}/stop")
        self._due = time.monotonic()
        where = node.resolve_topic_name
        self._wait(lambda: self._pose.get_subscription_count(), f"nobody listens to {where(topics.POSE)}")
        self._wait(lambda: self._hand is not None, f"nobody publishes {where(topics.CURRENT_POSE)}")
        self._wait(lambda: self._opening is not None, f"{where(topics.JOINT_STATES)} tell nothing of the gripper")
        self._check_alone()
        self._due = time.monotonic()

    def step(self, offset: np.ndarray) -> HandAt:
        self._check_alone()  # at every step: others are discovered late, or begin later
        assert self._hand is not None
        assert self._opening is not None
        stamp_ns, _, hand = self._hand
        command = Command(moved(hand, offset), self._opening)
        pose, fingers = messages.command_messages(command, stamp_ns, self._robot)
        self._fingers.publish(fingers)
        self._pose.publish(pose)
        self._due = max(self._due + self._robot.period_s, time.monotonic())
        self._here.turn(self._due - time.monotonic())
        self._wait(lambda: self._hand is not None and self._hand[0] != stamp_ns, "the arm's poses have stopped")
        assert self._hand is not None
        return HandAt(self._hand[1], self._hand[2])

    def let_go(self) -> None:
        """Have the arm's node, where one drives it, stop: silence would stop it too, but keep it from being re-armed
        until somebody commands it.
        """
        if self._stop.service_is_ready():
            done = self._stop.call_async(Trigger.Request())
            self._here.until(done.done, LAST_WORDS)

    def _on_hand(self, message: PoseStamped) -> None:
        stamp_ns = messages.to_ns(message.header.stamp)
        self._hand = stamp_ns, time.monotonic(), messages.read_pose(message, self._robot)

    def _on_joints(self, message: JointState) -> None:
        seen = None if self._gripper is None else self._gripper.measured(message.name, message.position)
        if seen is not None and self._opening is None:
            self._opening = seen  # from now on as it was: what is held gives a little, and would be let go bit by bit

    def _check_alone(self) -> None:
        node = self._here.node
        if node.count_publishers(topics.POSE) > 1:
            where = node.resolve_topic_name(topics.POSE)
            raise RuntimeError(f"somebody else publishes {where}: end the policy first")

    def _wait(self, condition: Callable[[], object], otherwise: str) -> None:
        if not self._here.until(condition, self._timeout):
            raise TimeoutError(f"{otherwise} (waited {self._timeout:g} s)")


@contextmanager
def commanded_arm(robot: RobotSpec, name: str, namespace: str = "", timeout: float = 5.0) -> Iterator[CommandedArm]:
    """The arm of the graph in a namespace, led by a node of this name; stopped at the end, on Ctrl-C as well.

    Raises as CommandedArm does.
    """
    with session(name, namespace, SignalHandlerOptions.NO) as here:
        arm = CommandedArm(here, robot, timeout)
        try:
            yield arm
        finally:
            arm.let_go()
