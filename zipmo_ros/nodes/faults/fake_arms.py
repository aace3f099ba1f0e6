"""Arms by their messages alone: controllers as their sources describe them, around a kinematic Panda.

They integrate, have limits, latch nothing and have no timeout: what they were told last, they do for ever.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import takewhile
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.contract.pose import offset_between
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.faults.taps import Tap
from zipmo_ros.nodes.wire import messages, topics

PERIOD = 0.01  # s
LONGEST = 0.05  # s that it moves by at once, however late it is called
SERVO_TIMEOUT = 0.1  # s: incoming_command_timeout, by the stamp of the header
KEPT = 30_000  # periods that it remembers


class FakeArm(Node):
    """Joints that move as a sub-class says, and what is published of them.

    together: whether the fingers are in the arm's own joint states.
    hands: (s, pose [7]) of the last periods. tells_pose: whether it publishes current_pose. taps: what it publishes of
    its joints, its fingers and its hand.
    """

    together = False

    def __init__(self, robot: RobotSpec, tells_pose: bool = True, **options: Any):
        super().__init__("fake_arm", **options)
        assert robot.arm is not None
        assert robot.arm.home is not None
        self.robot, self.spec, self.kinematics = robot, robot.arm, Kinematics(robot)
        self.joints = np.array(robot.arm.home)
        self.opening, self.refused = robot.gripper_open_m, list[Any]()
        self.hands: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self._tells_pose = tells_pose
        self._at = time.monotonic()
        kinds = {"joints": JointState, "fingers": JointState, "hand": PoseStamped}
        names = {"hand": topics.CURRENT_POSE}
        self.taps = {
            part: Tap(self.create_publisher(kind, names.get(part, topics.JOINT_STATES), topics.SENSOR))
            for part, kind in kinds.items()
        }
        gripper = self.spec.gripper.interfaces
        self.create_subscription(Float64MultiArray, gripper["position_array"], lambda m: self._grip(*m.data), 1)
        self.create_subscription(
            JointTrajectory, gripper["joint_trajectory"], lambda m: self._grip(*m.points[-1].positions), 1
        )
        self.create_timer(PERIOD, self._step)

    @property
    def hand(self) -> np.ndarray:
        return self.kinematics.forward(self.joints)

    def velocities(self) -> np.ndarray:
        """Of the joints, rad/s, from what was told last and where they are."""
        raise NotImplementedError

    def rest(self) -> None:
        """Forget what was told: stay here."""
        raise NotImplementedError

    def place(self, joints: np.ndarray) -> None:
        """Put it there, at rest."""
        self.joints = joints
        self.rest()

    def follow(self, twist: np.ndarray) -> np.ndarray:
        return self.kinematics.velocities(self.joints, twist)

    def _grip(self, position: float) -> None:
        self.opening = self.robot.gripper_open_m * self.spec.gripper.fraction(position)

    def _step(self) -> None:
        now = time.monotonic()
        passed, self._at = min(now - self._at, LONGEST), now
        most = np.array(self.spec.joint_speeds)
        self.joints = self.kinematics.clipped(self.joints + passed * np.clip(self.velocities(), -most, most))
        self.hands.append((now, self.hand))
        self.publish_state(self.get_clock().now().nanoseconds)

    def publish_state(self, stamp_ns: int) -> None:
        state = JointState(name=list(self.robot.joints), position=self.joints.tolist())
        fingers = JointState(name=list(self.robot.fingers), position=[self.opening / 2] * len(self.robot.fingers))
        parts = {"joints": state, "fingers": fingers}
        if self.together:
            state.name, state.position = [*state.name, *fingers.name], [*state.position, *fingers.position]
            del parts["fingers"]
        for part, message in parts.items():
            message.header.stamp = messages.to_stamp(stamp_ns)
            self.taps[part].publish(message)
        if self._tells_pose:
            self.taps["hand"].publish(messages.pose_message(self.hand, stamp_ns, self.robot))

    def speed(self, seconds: float = 0.1) -> float:
        """Of the hand over the last while, m/s."""
        now, end = self.hands[-1]
        began, start = list(takewhile(lambda past: now - past[0] < seconds, reversed(self.hands)))[-1]
        return float(np.linalg.norm(end[:3] - start[:3])) / max(now - began, 1e-9)


class CrispStandIn(FakeArm):
    """cartesian_impedance_controller: pulls the hand to target_pose, the error clipped; hears one publisher only."""

    together = True  # its Python client takes joints that a message does not tell of to be at zero
    STIFFNESS = 6.0  # 1/s: of its over-damped motion
    CLIP = np.repeat([0.1, 0.5], 3)  # m, rad: task.error_clip

    def __init__(self, robot: RobotSpec, **options: Any):
        super().__init__(robot, **options)
        self.rest()
        self.create_subscription(PoseStamped, self.spec.topic("pose"), self._on_target, topics.SENSOR)

    def rest(self) -> None:
        self.target = self.hand

    def _on_target(self, message: PoseStamped) -> None:
        if self.count_publishers(self.spec.topic("pose")) > 1:
            self.refused.append("more than one publisher")
        else:
            position, orientation = message.pose.position, message.pose.orientation
            self.target = np.array([position.x, position.y, position.z,
                                    orientation.x, orientation.y, orientation.z, orientation.w])  # fmt: skip

    def velocities(self) -> np.ndarray:
        error = np.clip(offset_between(self.hand, self.target), -self.CLIP, self.CLIP)
        return self.follow(self.STIFFNESS * error)


class ServoStandIn(FakeArm):
    """MoveIt Servo's twists and poses: what is stale by its stamp when it comes is not heard; then no timeout."""

    def __init__(self, robot: RobotSpec, **options: Any):
        super().__init__(robot, **options)
        self.rest()
        self.create_subscription(TwistStamped, self.spec.topic("twist"), self._on_twist, 1)
        self.create_subscription(PoseStamped, self.spec.topic("servo_pose"), self._on_pose, 1)

    def rest(self) -> None:
        self.twist = np.zeros(6)
        self.target: np.ndarray | None = None

    def _fresh(self, header: Any) -> bool:
        age = (self.get_clock().now() - Time.from_msg(header.stamp, self.get_clock().clock_type)).nanoseconds / 1e9
        known = header.frame_id == self.robot.base_frame
        if age > SERVO_TIMEOUT or not known:
            self.refused.append(f"{age} s old, frame {header.frame_id}")
        return age <= SERVO_TIMEOUT and known

    def _on_twist(self, message: TwistStamped) -> None:
        if self._fresh(message.header):
            linear, angular = message.twist.linear, message.twist.angular
            self.twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])

    def _on_pose(self, message: PoseStamped) -> None:
        if self._fresh(message.header):
            self.target = messages.read_pose(message, self.robot)

    def velocities(self) -> np.ndarray:
        return self.follow(self.twist if self.target is None else 5.0 * offset_between(self.hand, self.target))


class TrajectoryStandIn(FakeArm):
    """JointTrajectoryController: goes to the last point in its time, and stays; one of the past is refused."""

    def __init__(self, robot: RobotSpec, **options: Any):
        super().__init__(robot, **options)
        self.rest()
        self.create_subscription(JointTrajectory, self.spec.topic("joint_trajectory"), self._on_trajectory, 1)

    def rest(self) -> None:
        self.point, self.until = self.joints, 0.0

    def _on_trajectory(self, message: JointTrajectory) -> None:
        if set(message.joint_names) != set(self.robot.joints) or messages.to_ns(message.header.stamp) != 0:
            self.refused.append("joints or stamp")
            return
        point = message.points[-1]
        told = dict(zip(message.joint_names, point.positions, strict=True))
        self.point = np.array([told[name] for name in self.robot.joints])
        self.until = time.monotonic() + point.time_from_start.sec + point.time_from_start.nanosec / 1e9

    def velocities(self) -> np.ndarray:
        return (self.point - self.joints) / max(self.until - time.monotonic(), PERIOD)


class ForwardPositionStandIn(FakeArm):
    """forward_position_controller: the joints go there as fast as they can; what is not finite is dropped whole."""

    kind: Any = "joint_position"

    def __init__(self, robot: RobotSpec, **options: Any):
        super().__init__(robot, **options)
        self.rest()
        self.create_subscription(Float64MultiArray, self.spec.topic(self.kind), self.on_values, 1)

    def rest(self) -> None:
        self.values = self.joints

    def on_values(self, message: Float64MultiArray) -> None:
        values = np.array(message.data)
        if values.shape == self.joints.shape and np.isfinite(values).all():
            self.values = values
        else:
            self.refused.append(values)

    def velocities(self) -> np.ndarray:
        return (self.values - self.joints) / 0.03  # s: its own lag


class ForwardVelocityStandIn(ForwardPositionStandIn):
    """forward_velocity_controller: the joints keep the last velocities, for ever."""

    kind = "joint_velocity"

    def rest(self) -> None:
        self.values = np.zeros(len(self.joints))

    def velocities(self) -> np.ndarray:
        return self.values


STAND_INS: dict[str, type[FakeArm]] = {
    "pose": CrispStandIn,
    "servo_pose": ServoStandIn,
    "twist": ServoStandIn,
    "joint_trajectory": TrajectoryStandIn,
    "joint_position": ForwardPositionStandIn,
    "joint_velocity": ForwardVelocityStandIn,
}
