"""Actions of the models (OSC_POSE in [-1, 1]) and commands to an arm (physical units), both ways.

| action          | command                                              |
|-----------------|------------------------------------------------------|
| 0:3 translation | 1 is 0.05 m a step, so 1 m/s at 20 Hz                |
| 3:6 rotation    | axis-angle, 1 is 0.5 rad a step, so 10 rad/s at 20 Hz |
| 6   gripper     | -1 open is 0.08 m between the fingers, +1 closed 0 m |

A number may change in its last bit on the way there and back. The loop without ROS therefore goes both ways too,
and both loops hand the very same action to the simulator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONTROL_PERIOD = 0.05  # s
LINEAR_SPEED = 0.05 / CONTROL_PERIOD  # m/s of action 1
ANGULAR_SPEED = 0.5 / CONTROL_PERIOD  # rad/s of action 1
GRIPPER_OPEN = 0.08  # m between the fingers


@dataclass(frozen=True)
class Command:
    """linear: [3] m/s, angular: [3] rad/s (axis times speed), both in the base frame; gripper: opening in m."""

    linear: np.ndarray
    angular: np.ndarray
    gripper: float


def stop_command(gripper: float) -> Command:
    """No motion, the gripper held at its opening (m)."""
    return Command(np.zeros(3), np.zeros(3), gripper)


def to_command(action: np.ndarray) -> Command:
    """Command of an action [7] in [-1, 1], in float64."""
    action = np.asarray(action, np.float64)
    gripper = GRIPPER_OPEN * (1.0 - action[6]) / 2.0
    return Command(action[:3] * LINEAR_SPEED, action[3:6] * ANGULAR_SPEED, float(gripper))


def to_action(command: Command) -> np.ndarray:
    """Action float64 [7] of a command, clipped to [-1, 1]. Raises ValueError for a number that is not finite."""
    gripper = 1.0 - command.gripper / (GRIPPER_OPEN / 2.0)
    action = np.concatenate([command.linear / LINEAR_SPEED, command.angular / ANGULAR_SPEED, [gripper]])
    if not np.isfinite(action).all():
        raise ValueError(
            f"a command needs finite numbers, got linear {command.linear}, angular {command.angular}, "
            f"gripper {command.gripper}"
        )
    return np.clip(action, -1.0, 1.0)


def binarise_gripper(action: np.ndarray) -> np.ndarray:
    """The action [7] with its gripper entry replaced by its sign: averages of open and closed mean one of the two."""
    return np.append(action[:6], 1.0 if action[6] > 0 else -1.0)
