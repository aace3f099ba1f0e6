"""Actions of the models (OSC_POSE in [-1, 1]) and commands to an arm (physical units), both ways.

| action          | command                                                                    |
|-----------------|----------------------------------------------------------------------------|
| 0:3 translation | m/s: 1 is the robot's translation_m a control step                         |
| 3:6 rotation    | rad/s, axis times speed: 1 is the robot's rotation_rad a control step      |
| 6   gripper     | metres between the fingers: -1 is the robot's gripper_open_m, +1 closed, 0 |

A number may change in its last bit on the way there and back. The loop without ROS therefore goes both ways too,
and both loops hand the very same action to the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zipmo_ros.contract.robot import RobotSpec


@dataclass(frozen=True)
class Command:
    """linear: [3] m/s, angular: [3] rad/s (axis times speed), both in the base frame; gripper: opening in m."""

    linear: np.ndarray
    angular: np.ndarray
    gripper: float


def stop_command(gripper: float) -> Command:
    """No motion, the gripper held at its opening (m)."""
    return Command(np.zeros(3), np.zeros(3), gripper)


def to_command(action: np.ndarray, robot: RobotSpec) -> Command:
    """Command of an action [7] in [-1, 1], in float64."""
    action = np.asarray(action, np.float64)
    linear, angular = _speeds(robot)
    gripper = robot.gripper_open_m * (1.0 - action[6]) / 2.0
    return Command(action[:3] * linear, action[3:6] * angular, float(gripper))


def to_action(command: Command, robot: RobotSpec) -> np.ndarray:
    """Action float64 [7] of a command, clipped to [-1, 1]. Raises ValueError for a number that is not finite."""
    linear, angular = _speeds(robot)
    gripper = 1.0 - command.gripper / (robot.gripper_open_m / 2.0)
    action = np.concatenate([command.linear / linear, command.angular / angular, [gripper]])
    if not np.isfinite(action).all():
        raise ValueError(
            f"a command needs finite numbers, got linear {command.linear}, angular {command.angular}, "
            f"gripper {command.gripper}"
        )
    return np.clip(action, -1.0, 1.0)


def binarise_gripper(action: np.ndarray) -> np.ndarray:
    """The action [7] with its gripper entry replaced by its sign: averages of open and closed mean one of the two."""
    return np.append(action[:6], 1.0 if action[6] > 0 else -1.0)


def _speeds(robot: RobotSpec) -> tuple[float, float]:
    """m/s and rad/s of action 1."""
    return robot.translation_m / robot.period_s, robot.rotation_rad / robot.period_s
