"""What can be wrong with a command, with what was measured and with a chunk of actions; None if nothing is."""

from __future__ import annotations

import numpy as np

from zipmo_ros.contract.command import Command
from zipmo_ros.contract.limits import Limits
from zipmo_ros.contract.pose import offset_between, problem_of
from zipmo_ros.contract.robot import RobotSpec

BORDERS = ("below x", "below y", "below z", "above x", "above y", "above z")


def wrong_command(command: Command, hand: np.ndarray, limits: Limits) -> tuple[str, str] | None:
    """(cause, text) for a command that a hand measured at the pose `hand` [7] must not follow."""
    if text := problem_of(command.pose):
        return "not finite", f"of the goal, {text}"
    if not np.isfinite(command.gripper):
        return "not finite", f"the gripper's opening is {command.gripper}"
    if text := leap(hand, command.pose, limits):
        return "jump", f"the goal is {text} from the hand"
    text = outside(command.pose, hand, limits)
    return ("workspace", text) if text else None


def leap(start: np.ndarray, end: np.ndarray, limits: Limits, seconds: float = 0.0) -> str | None:
    """Two poses [7] farther apart than a jump, and what can be travelled in `seconds` besides."""
    offset = offset_between(start, end)
    metres, radians = np.linalg.norm(offset[:3]), np.linalg.norm(offset[3:])
    most_m = limits.jump_m + limits.translation.velocity * seconds
    most_rad = limits.jump_rad + limits.rotation.velocity * seconds
    if metres <= most_m and radians <= most_rad:
        return None
    return f"{metres:.3f} m and {radians:.2f} rad away (at most {most_m:.3f} m and {most_rad:.2f} rad)"


def outside(goal: np.ndarray, hand: np.ndarray, limits: Limits) -> str | None:
    """A goal [7] beyond a border of the workspace, unless a hand beyond it goes back."""
    there = limits.workspace.inside(goal[:3])
    wrong = (there < 0) & (there < limits.workspace.inside(hand[:3]))
    if not wrong.any():
        return None
    names = [*BORDERS, *(f"behind plane {plane}" for plane in limits.workspace.planes)]
    places = ", ".join(f"{-there[i]:.3f} m {names[i]}" for i in np.flatnonzero(wrong))
    return f"the goal {np.round(goal[:3], 3).tolist()} is outside of the workspace: {places}"


def wrong_joints(joints: np.ndarray, robot: RobotSpec) -> tuple[str, str] | None:
    """(cause, text) for joints [n] (rad) of which one is within the margin of its limit, or beyond."""
    if not np.isfinite(joints).all():
        return "not finite", f"joints at {joints}"
    lower, upper = np.array(robot.joint_limits).T
    margins = np.minimum(joints - lower, upper - joints)
    worst, least = int(np.argmin(margins)), robot.limits.joint_margin_rad
    if margins[worst] >= least:
        return None
    name, place = robot.joints[worst], f"{margins[worst]:.3f} rad inside of its limit"
    return "joint margin", f"{name} at {joints[worst]:.3f} rad is {place} (at least {least:.3f} rad)"


def wrong_chunk(chunk: np.ndarray, robot: RobotSpec) -> str | None:
    """A chunk of actions [length, 7] that must not be executed, as a whole."""
    most, step = robot.limits.action_size, robot.limits.action_jump
    if chunk.ndim != 2 or chunk.shape[1] != 7 or not len(chunk):
        return f"a chunk is [length, 7], this one {list(chunk.shape)}"
    if not np.isfinite(chunk).all():
        return f"action {int(np.argmin(np.isfinite(chunk).all(1)))} of the chunk is not finite"
    size = np.abs(chunk).max(axis=1)
    if size.max() > most:
        return f"action {int(size.argmax())} of the chunk has an entry of {size.max():.2f} (at most {most:.2f})"
    jumps = np.abs(np.diff(chunk[:, :6], axis=0)).max(axis=1)
    if jumps.max(initial=0.0) > step:
        i = int(jumps.argmax())
        return f"actions {i} and {i + 1} of the chunk differ by {jumps[i]:.2f} (at most {step:.2f})"
    return None
