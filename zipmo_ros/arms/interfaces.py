"""The kinds of controllers: what each is sent for the hand to go somewhere, and for it to stand still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.arms.pursuit import Pursuit
from zipmo_ros.arms.setpoints import ArmSetpoint, ArraySetpoint, PoseSetpoint, TrajectorySetpoint, TwistSetpoint
from zipmo_ros.contract.arm import CommandKind
from zipmo_ros.contract.robot import RobotSpec

LEAD_S = 0.1  # s: as much as a joint can move in this time, what it is told may be ahead of where it is


@dataclass(frozen=True)
class Measured:
    """Where the arm is. hand: pose [7] in the base frame. joints: float64 [n] (rad); empty where nobody tells."""

    hand: np.ndarray
    joints: np.ndarray


class CommandInterface(Protocol):
    """Of one kind of controller.

    needs_joints: whether it can do nothing without knowing where they are. moves_on: whether an arm that is told
    nothing more moves on, for its controller keeps a velocity.
    """

    needs_joints: bool
    moves_on: bool

    def reset(self) -> None:
        """Begin afresh: the arm stands still, wherever it was put meanwhile."""
        ...

    def toward(self, goal: np.ndarray, measured: Measured, seconds: float) -> ArmSetpoint:
        """What to send now for the hand to go to a pose [7]; the next is sent in so many seconds."""
        ...

    def stop(self, measured: Measured) -> ArmSetpoint:
        """What to send for the arm to stand still: where it is, or no motion."""
        ...


class PoseInterface:
    """A controller that pulls the hand to a pose: CRISP, cartesian_controllers, MoveIt Servo's pose tracking."""

    needs_joints = moves_on = False

    def reset(self) -> None:
        """Nothing is kept."""

    def toward(self, goal: np.ndarray, measured: Measured, seconds: float) -> ArmSetpoint:
        return PoseSetpoint(goal)

    def stop(self, measured: Measured) -> ArmSetpoint:
        return PoseSetpoint(measured.hand)


class TwistInterface:
    """A controller of the hand's velocity: MoveIt Servo."""

    needs_joints, moves_on = False, True

    def __init__(self, pursuit: Pursuit):
        self._pursuit = pursuit

    def reset(self) -> None:
        self._pursuit.reset()

    def toward(self, goal: np.ndarray, measured: Measured, seconds: float) -> ArmSetpoint:
        return TwistSetpoint(self._pursuit.twist(measured.hand, goal, seconds))

    def stop(self, measured: Measured) -> ArmSetpoint:
        return TwistSetpoint(np.zeros(6))


class JointVelocityInterface:
    """A controller of the joints' velocities: forward_velocity_controller."""

    needs_joints = moves_on = True

    def __init__(self, pursuit: Pursuit, kinematics: Kinematics):
        self._pursuit = pursuit
        self._kinematics = kinematics

    def reset(self) -> None:
        self._pursuit.reset()

    def toward(self, goal: np.ndarray, measured: Measured, seconds: float) -> ArmSetpoint:
        return ArraySetpoint(self.velocities(goal, measured, seconds))

    def velocities(self, goal: np.ndarray, measured: Measured, seconds: float) -> np.ndarray:
        """Joint velocities [n] (rad/s) for the next `seconds`."""
        return self._kinematics.velocities(measured.joints, self._pursuit.twist(measured.hand, goal, seconds))

    def stop(self, measured: Measured) -> ArmSetpoint:
        return ArraySetpoint(np.zeros(len(measured.joints)))


class JointPositionInterface:
    """A controller of the joints' positions: forward_position_controller.

    The velocities that it would have are summed up, from where the joints are measured to be; what is told stays
    within reach of that (LEAD_S), so that an arm that is held back doesn't leap when it is let go.
    """

    needs_joints, moves_on = True, False

    def __init__(self, velocity: JointVelocityInterface, kinematics: Kinematics, speeds: tuple[float, ...]):
        self._velocity = velocity
        self._kinematics = kinematics
        self._lead = LEAD_S * np.array(speeds)
        self._told: np.ndarray | None = None

    def reset(self) -> None:
        self._velocity.reset()
        self._told = None

    def positions(self, goal: np.ndarray, measured: Measured, seconds: float) -> np.ndarray:
        """Joint positions [n] (rad) to be at in `seconds`."""
        told = measured.joints if self._told is None else self._told
        told = told + seconds * self._velocity.velocities(goal, measured, seconds)
        told = np.clip(told, measured.joints - self._lead, measured.joints + self._lead)
        self._told = self._kinematics.clipped(told)
        return self._told

    def toward(self, goal: np.ndarray, measured: Measured, seconds: float) -> ArmSetpoint:
        return ArraySetpoint(self.positions(goal, measured, seconds))

    def stop(self, measured: Measured) -> ArmSetpoint:
        return ArraySetpoint(measured.joints)


class JointTrajectoryInterface:
    """JointTrajectoryController, by its topic: one point at a time, to be reached by when the next one is sent."""

    needs_joints, moves_on = True, False

    def __init__(self, position: JointPositionInterface, joints: tuple[str, ...]):
        self._position = position
        self._joints = joints
        self._seconds = 0.0

    def reset(self) -> None:
        self._position.reset()

    def toward(self, goal: np.ndarray, measured: Measured, seconds: float) -> ArmSetpoint:
        self._seconds = seconds
        return TrajectorySetpoint(self._joints, self._position.positions(goal, measured, seconds), seconds)

    def stop(self, measured: Measured) -> ArmSetpoint:
        return TrajectorySetpoint(self._joints, measured.joints, self._seconds)


def make_interface(kind: CommandKind, robot: RobotSpec, pursuit: Pursuit) -> CommandInterface:
    """The interface of that kind. Raises ValueError or ImportError where joints are commanded without kinematics."""
    if kind in ("pose", "servo_pose"):
        return PoseInterface()
    if kind == "twist":
        return TwistInterface(pursuit)
    kinematics = Kinematics(robot)
    velocity = JointVelocityInterface(pursuit, kinematics)
    if kind == "joint_velocity":
        return velocity
    assert robot.arm is not None  # it has kinematics
    position = JointPositionInterface(velocity, kinematics, robot.arm.joint_speeds)
    return position if kind == "joint_position" else JointTrajectoryInterface(position, robot.joints)
