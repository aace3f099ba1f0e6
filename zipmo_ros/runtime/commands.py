"""Actions of the models (OSC_POSE in [-1, 1]) and commands to an arm (physical units), both ways.

| action          | command                                                                                       |
|-----------------|-----------------------------------------------------------------------------------------------|
| 0:3 translation | the hand's goal: its measured position, moved by the robot's translation_m for an action of 1 |
| 3:6 rotation    | its measured orientation, turned by the robot's rotation_rad (axis times angle, base frame)   |
| 6   gripper     | metres between the fingers: -1 is the robot's gripper_open_m, +1 closed, 0                    |

An arm goes there as it can: the offset is that of a goal under an impedance law, so that a hand which is told to keep
an offset of 0.05 m moves at 0.24 m/s (RobotSpec.response), not at 0.05 m a control step.
A number may change in its last bits on the way there and back. The loop without ROS therefore goes both ways too,
and both loops hand the very same action to the simulator.
"""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.pose import moved, offset_between
from zipmo_ros.contract.robot import RobotSpec

GRIPPER_TOLERANCE = 0.002  # m; a half-open gripper that is so near to where it shall be, is there


def to_command(action: np.ndarray, hand: np.ndarray, robot: RobotSpec) -> Command:
    """Command of an action [7] in [-1, 1], chosen while the hand was at the pose `hand` [7]; float64."""
    action = np.asarray(action, np.float64)
    gripper = robot.gripper_open_m * (1.0 - action[6]) / 2.0
    return Command(moved(hand, action[:6] * robot.offset_scale), float(gripper))


def to_action(command: Command, hand: np.ndarray, robot: RobotSpec, opening: float | None = None) -> np.ndarray:
    """Action float64 [7] that sends a hand at the pose `hand` [7] to the command's, clipped to [-1, 1].

    opening: of the gripper, in m, where it is known. The simulated gripper moves by the sign of its action alone: one
    that is told to stay where it is, half open, gets 0, and keeps what it holds.
    Raises ValueError for a number that is not finite.
    """
    if not (np.isfinite(command.pose).all() and np.isfinite(command.gripper)):
        raise ValueError(f"a command needs finite numbers, got pose {command.pose}, gripper {command.gripper}")
    gripper = 1.0 - command.gripper / (robot.gripper_open_m / 2.0)
    action = np.append(offset_between(hand, command.pose) / robot.offset_scale, gripper)
    if opening is not None and 0 < command.gripper < robot.gripper_open_m:
        missing = command.gripper - opening
        action[6] = 0.0 if abs(missing) < GRIPPER_TOLERANCE else -np.sign(missing)
    return np.clip(action, -1.0, 1.0)


def binarise_gripper(action: np.ndarray) -> np.ndarray:
    """The action [7] with its gripper entry replaced by its sign: averages of open and closed mean one of the two."""
    return np.append(action[:6], 1.0 if action[6] > 0 else -1.0)
