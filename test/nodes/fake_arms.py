"""Arms by their messages alone: controllers as their sources describe them, around a kinematic Panda.

They integrate, have limits, latch nothing and have no timeout: what they were told last, they do for ever.
"""

import time

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.contract.pose import offset_between
from zipmo_ros.nodes.wire import messages, topics

PERIOD = 0.01  # s
LONGEST = 0.05  # s that it moves by at once, however late it is called
SERVO_TIMEOUT = 0.1  # s: incoming_command_timeout, by the stamp of the header


class FakeArm(Node):
    """Joints that move as a sub-class says, and what is published of them.

    together: whether the fingers are in the arm's own joint states.
    hands: [(s, pose [7])] of all periods. tells_pose: whether it publishes current_pose.
    """

    together = False

    def __init__(self, robot, tells_pose=True, **options):
        super().__init__("fake_arm", **options)
        self.robot, self.kinematics = robot, Kinematics(robot)
        self.joints = np.array(robot.arm.home)
        self.opening, self.hands, self.refused = robot.gripper_open_m, [], []
        self._tells_pose = tells_pose
        self._at = time.monotonic()
        self._state = self.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self._fingers = self.create_publisher(JointState, topics.JOINT_STATES, topics.SENSOR)
        self._pose = self.create_publisher(PoseStamped, topics.CURRENT_POSE, topics.SENSOR)
        gripper = robot.arm.gripper.interfaces
        self.create_subscription(Float64MultiArray, gripper["position_array"], self._on_gripper, 1)
        self.create_subscription(
            JointTrajectory, gripper["joint_trajectory"], lambda m: self._on_gripper(m.points[-1], "positions"), 1
        )
        self.create_timer(PERIOD, self._step)

    @property
    def hand(self):
        return self.kinematics.forward(self.joints)

    def velocities(self):
        """Of the joints, rad/s, from what was told last and where they are."""
        raise NotImplementedError

    def follow(self, twist):
        return self.kinematics.velocities(self.joints, twist)

    def _on_gripper(self, message, field="data"):
        (position,) = getattr(message, field)
        self.opening = self.robot.gripper_open_m * self.robot.arm.gripper.fraction(position)

    def _step(self):
        now = time.monotonic()
        passed, self._at = min(now - self._at, LONGEST), now
        speeds = np.clip(self.velocities(), *(sign * np.array(self.robot.arm.joint_speeds) for sign in (-1, 1)))
        self.joints = self.kinematics.clipped(self.joints + passed * speeds)
        self.hands.append((now, self.hand))
        stamp = self.get_clock().now()
        self.publish_state(stamp.nanoseconds)

    def publish_state(self, stamp_ns):
        state = JointState(name=list(self.robot.joints), position=self.joints.tolist())
        fingers = JointState(name=list(self.robot.fingers), position=[self.opening / 2] * len(self.robot.fingers))
        if self.together:
            state.name, state.position = [*state.name, *fingers.name], [*state.position, *fingers.position]
        for publisher, message in ((self._state, state), (self._fingers, fingers))[: 2 - self.together]:
            message.header.stamp = messages.to_stamp(stamp_ns)
            publisher.publish(message)
        if self._tells_pose:
            self._pose.publish(messages.pose_message(self.hand, stamp_ns, self.robot))

    def speed(self, seconds=0.1):
        """Of the hand over the last while, m/s."""
        (now, end), *_ = self.hands[::-1]
        began, start = next((t, hand) for t, hand in self.hands if now - t < seconds)
        return float(np.linalg.norm(end[:3] - start[:3])) / max(now - began, 1e-9)


class CrispStandIn(FakeArm):
    """cartesian_impedance_controller: pulls the hand to target_pose, the error clipped; hears one publisher only."""

    together = True  # its Python client takes joints that a message does not tell of to be at zero
    STIFFNESS = 6.0  # 1/s: of its over-damped motion
    CLIP = np.repeat([0.1, 0.5], 3)  # m, rad: task.error_clip

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self.target = self.hand
        self.create_subscription(PoseStamped, robot.arm.topic("pose"), self._on_target, topics.SENSOR)

    def _on_target(self, message):
        if self.count_publishers(self.robot.arm.topic("pose")) > 1:
            self.refused.append("more than one publisher")
        else:
            position, orientation = message.pose.position, message.pose.orientation
            self.target = np.array([position.x, position.y, position.z,
                                    orientation.x, orientation.y, orientation.z, orientation.w])  # fmt: skip

    def velocities(self):
        error = np.clip(offset_between(self.hand, self.target), -self.CLIP, self.CLIP)
        return self.follow(self.STIFFNESS * error)


class ServoStandIn(FakeArm):
    """MoveIt Servo's twists and poses: what is stale by its stamp when it comes is not heard; then no timeout."""

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self.twist, self.target = np.zeros(6), None
        self.create_subscription(TwistStamped, robot.arm.topic("twist"), self._on_twist, 1)
        self.create_subscription(PoseStamped, robot.arm.topic("servo_pose"), self._on_pose, 1)

    def _fresh(self, header):
        age = (self.get_clock().now() - Time.from_msg(header.stamp, self.get_clock().clock_type)).nanoseconds / 1e9
        known = header.frame_id == self.robot.base_frame
        if age > SERVO_TIMEOUT or not known:
            self.refused.append(f"{age} s old, frame {header.frame_id}")
        return age <= SERVO_TIMEOUT and known

    def _on_twist(self, message):
        if self._fresh(message.header):
            linear, angular = message.twist.linear, message.twist.angular
            self.twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])

    def _on_pose(self, message):
        if self._fresh(message.header):
            self.target = messages.read_pose(message, self.robot)

    def velocities(self):
        return self.follow(self.twist if self.target is None else 5.0 * offset_between(self.hand, self.target))


class TrajectoryStandIn(FakeArm):
    """JointTrajectoryController: goes to the last point in its time, and stays; one of the past is refused."""

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self.point, self.until = self.joints, 0.0
        self.create_subscription(JointTrajectory, robot.arm.topic("joint_trajectory"), self._on_trajectory, 1)

    def _on_trajectory(self, message):
        if set(message.joint_names) != set(self.robot.joints) or messages.to_ns(message.header.stamp) != 0:
            self.refused.append("joints or stamp")
            return
        point = message.points[-1]
        told = dict(zip(message.joint_names, point.positions, strict=True))
        self.point = np.array([told[name] for name in self.robot.joints])
        self.until = time.monotonic() + point.time_from_start.sec + point.time_from_start.nanosec / 1e9

    def velocities(self):
        return (self.point - self.joints) / max(self.until - time.monotonic(), PERIOD)


class ForwardPositionStandIn(FakeArm):
    """forward_position_controller: the joints go there as fast as they can; what is not finite is dropped whole."""

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self.values = self.joints
        self.create_subscription(Float64MultiArray, robot.arm.topic("joint_position"), self.on_values, 1)

    def on_values(self, message):
        values = np.array(message.data)
        if values.shape == self.joints.shape and np.isfinite(values).all():
            self.values = values
        else:
            self.refused.append(values)

    def velocities(self):
        return (self.values - self.joints) / 0.03  # s: its own lag


class ForwardVelocityStandIn(ForwardPositionStandIn):
    """forward_velocity_controller: the joints keep the last velocities, for ever."""

    def __init__(self, robot, **options):
        super().__init__(robot, **options)
        self.values = np.zeros(len(self.joints))
        self.create_subscription(Float64MultiArray, robot.arm.topic("joint_velocity"), self.on_values, 1)

    def velocities(self):
        return self.values


STAND_INS = {
    "pose": CrispStandIn,
    "servo_pose": ServoStandIn,
    "twist": ServoStandIn,
    "joint_trajectory": TrajectoryStandIn,
    "joint_position": ForwardPositionStandIn,
    "joint_velocity": ForwardVelocityStandIn,
}
