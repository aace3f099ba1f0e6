"""Where an arm node's setpoints go: a controller's topic, its action, or a topic beside it where nothing may move."""

from __future__ import annotations

from typing import Any, Protocol

from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.action import ActionClient
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from zipmo_ros.arms.setpoints import ArmSetpoint, GripperSetpoint
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.wire import topics
from zipmo_ros.nodes.wire.controllers import action_of, controller_message
from zipmo_ros.nodes.wire.messages import to_stamp

ACTIONS = ("follow_joint_trajectory", "gripper_command", "parallel_gripper_command")
_MESSAGES: dict[str, type] = {
    "pose": PoseStamped,
    "servo_pose": PoseStamped,
    "twist": TwistStamped,
    "joint_trajectory": JointTrajectory,
    "follow_joint_trajectory": JointTrajectory,  # of actions: what is shown of them as a shadow
    "gripper_command": JointTrajectory,
    "parallel_gripper_command": JointTrajectory,
    "joint_position": Float64MultiArray,
    "joint_velocity": Float64MultiArray,
    "position_array": Float64MultiArray,
}


class Output(Protocol):
    """Takes setpoints of one interface."""

    def send(self, setpoint: ArmSetpoint | GripperSetpoint, stamp_ns: int) -> None:
        """Have the controller told. Does not wait."""
        ...

    def heard(self) -> bool:
        """Whether a controller is there."""
        ...

    def flush(self, seconds: float) -> None:
        """Wait until what was sent has arrived, where that can be known, at most so long."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


class TopicOutput:
    """A controller that listens to a topic. waits: it is a simulator's, which waits for what has a stamp."""

    def __init__(self, node: Node, interface: str, topic: str, robot: RobotSpec, waits: bool):
        # Not a lifecycle publisher, which lets nothing out once the node is on its way out: a stop has to leave then.
        self._publisher: Publisher = node.create_publisher(_MESSAGES[interface], topic, topics.COMMAND)
        self._node = node
        self._robot = robot
        self._waits = waits

    def send(self, setpoint: ArmSetpoint | GripperSetpoint, stamp_ns: int) -> None:
        message = controller_message(setpoint, stamp_ns, self._robot)
        if self._waits and isinstance(message, JointTrajectory):
            message.header.stamp = to_stamp(stamp_ns)
        self._publisher.publish(message)

    def heard(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    def flush(self, seconds: float) -> None:
        self._publisher.wait_for_all_acked(Duration(seconds=seconds))

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)


class ActionOutput:
    """A controller that offers an action; a new goal replaces the one before it."""

    def __init__(self, node: Node, interface: str, name: str):
        action = action_of(interface)
        self._goal = action.goal
        self._client: Any = ActionClient(node, action.kind, name)

    def send(self, setpoint: ArmSetpoint | GripperSetpoint, stamp_ns: int) -> None:
        if self._client.server_is_ready():
            self._client.send_goal_async(self._goal(setpoint))

    def heard(self) -> bool:
        return bool(self._client.server_is_ready())

    def flush(self, seconds: float) -> None:
        """Nothing to wait for: an action's controller keeps to its last goal by itself."""

    def close(self) -> None:
        self._client.destroy()


def make_output(node: Node, interface: str, name: str, robot: RobotSpec, shadow: bool, waits: bool) -> Output:
    """The output of an interface; as a shadow a topic below the node's own name, `~/shadow/<name>`.

    Raises ImportError for an action without control_msgs.
    """
    if interface in ACTIONS and not shadow:
        return ActionOutput(node, interface, name)
    return TopicOutput(node, interface, f"~/shadow/{name}" if shadow else name, robot, waits)
