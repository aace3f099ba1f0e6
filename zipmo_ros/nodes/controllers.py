"""What an arm node drives: the interfaces of the robot's controllers, and where their setpoints go."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from zipmo_ros.arms.grippers import Gripper
from zipmo_ros.arms.interfaces import CommandInterface, make_interface
from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.arms.pursuit import Pursuit
from zipmo_ros.arms.reckoning import Reckoning
from zipmo_ros.contract.arm import CommandKind, GripperKind
from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.nodes.outputs import Output, make_output
from zipmo_ros.nodes.settings import ArmParameters


@dataclass(frozen=True)
class Controllers:
    """Of the arm and of its gripper. kinematics: where the hand's pose is computed; None: it is heard. reckoning: what
    tells where the hand is once it is not heard any more.
    """

    interface: CommandInterface
    gripper: Gripper
    kinematics: Kinematics | None
    reckoning: Reckoning
    arm_output: Output
    gripper_output: Output

    def close(self) -> None:
        """Free the outputs."""
        self.arm_output.close()
        self.gripper_output.close()


def make_controllers(node: Node, robot: RobotSpec, settings: ArmParameters) -> Controllers:
    """Those that the parameters name, or the robot's usual ones.

    Raises ValueError, FileNotFoundError or ImportError for what the robot has not, or what is not installed.
    """
    arm = robot.arm
    if arm is None:
        raise ValueError(f"robot {robot.name} says nothing of its controllers (section arm of its YAML)")
    kind: CommandKind = settings.command_interface or arm.interface  # type: ignore[assignment]  # of its choices
    gripper_kind: GripperKind = settings.gripper_interface or arm.gripper.interface  # type: ignore[assignment]
    name, gripper = arm.topic(kind), Gripper(robot, gripper_kind)
    lag_s = robot.response.lag_s if settings.lag_s < 0 else settings.lag_s
    interface = make_interface(kind, robot, Pursuit(robot.response.gain, lag_s))
    kinematics = Kinematics(robot) if settings.hand_pose == "kinematics" else None
    reckoning = Reckoning(None if kinematics else _known_kinematics(robot))
    waits = settings.mode == "lockstep"
    outputs = [
        make_output(node, own, its_name, robot, settings.shadow, waits)
        for own, its_name in ((kind, name), (gripper_kind, gripper.name))
    ]
    return Controllers(interface, gripper, kinematics, reckoning, *outputs)


def _known_kinematics(robot: RobotSpec) -> Kinematics | None:
    """Where robot and machine have what they take: a pose that is heard can do without."""
    try:
        return Kinematics(robot)
    except (ValueError, ImportError, FileNotFoundError):
        return None
