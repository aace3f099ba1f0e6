"""How an arm follows the goal of its hand: step responses, beside those of the arm that the models were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from zipmo_ros.contract.pose import offset_between
from zipmo_ros.contract.robot import RobotSpec, load_robot
from zipmo_ros.runtime.commands import to_action, to_command
from zipmo_ros.runtime.stepping import HandAt, SteppedArm

AXES = ("x", "y", "z", "rotation x", "rotation y", "rotation z")
REST = 12  # control steps that the hand is held for before and after
STEADY = 0.4  # s after which the hand moves steadily
STILL = 0.1  # of the motion that was meant: less than this is none


@dataclass(frozen=True)
class AxisResponse:
    """ways: how far the hand has come at `times` (s), over the offset that was kept ahead of it.

    gain: 1/s, of the steady motion. lag_s: by how much that began late.
    """

    axis: str
    gain: float
    lag_s: float
    times: tuple[float, ...]
    ways: tuple[float, ...]


def axis_response(axis: str, times: np.ndarray, ways: np.ndarray) -> AxisResponse:
    """From times [n] (s since the offset was first sent) and ways [n] in offsets. ValueError if it stood still."""
    steady = times >= STEADY
    if steady.sum() < 3:
        raise ValueError(f"an offset must be kept for longer than {STEADY} s to see a steady motion")
    gain, start = np.polyfit(times[steady], ways[steady], 1)
    if gain < STILL:
        raise ValueError(
            f"the hand did not follow along {axis}: is the arm armed (`zipmo arm`), and nothing in its way?"
        )
    return AxisResponse(axis, float(gain), float(-start / gain), tuple(map(float, times)), tuple(map(float, ways)))


def step_responses(arm: SteppedArm, sizes: np.ndarray, steps: int) -> Iterator[AxisResponse]:
    """Of each axis: an offset of sizes[axis] is kept for so many control steps, and kept back again afterwards.

    Raises ValueError when the hand does not follow.
    """
    for number, axis in enumerate(AXES):
        there, back = (_kept(arm, number, sign * sizes[number], steps) for sign in (1, -1))
        yield axis_response(axis, (there[0] + back[0]) / 2, (there[1] + back[1]) / 2)


def _kept(arm: SteppedArm, number: int, size: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and ways [steps + 1] along one axis."""
    offset = np.zeros(6)
    for _ in range(REST):
        start = arm.step(offset)
    offset[number] = size
    moments = [start, *(arm.step(offset) for _ in range(steps))]
    times = np.array([moment.seconds - start.seconds for moment in moments])
    return times, np.array([offset_between(start.hand, moment.hand)[number] / size for moment in moments])


def report_of(responses: list[AxisResponse]) -> dict[str, Any]:
    """Medians over the axes of translation and of rotation, and each axis."""
    parts = {"translation": responses[:3], "rotation": responses[3:]}
    medians = {
        name: {key: float(np.median([getattr(r, key) for r in part])) for key in ("gain", "lag_s")}
        for name, part in parts.items()
    }
    return {**medians, "axes": {r.axis: vars(r) for r in responses}}


class TrainedArm:
    """The simulated arm of a suite: what the models were trained on."""

    def __init__(self, env: Any, robot: RobotSpec):
        self._env, self._robot = env, robot
        self._hand = env.reset(options={"init_state": 0})[0]["hand"]
        self._steps = 0

    def step(self, offset: np.ndarray) -> HandAt:
        command = to_command(np.append(offset / self._robot.offset_scale, -1.0), self._hand, self._robot)
        action = to_action(command, self._hand, self._robot, command.gripper)
        self._hand = self._env.step(action)[0]["hand"]
        self._steps += 1
        return HandAt(self._steps * self._robot.period_s, self._hand)


@contextmanager
def trained_arm(suite: str) -> Iterator[TrainedArm]:
    """That of a suite's first task, lifted off the table."""
    from zipmo_sim.suites import make_env, tasks

    env = make_env(suite, tasks(suite)[0].name, image_every=0)
    try:
        arm = TrainedArm(env, load_robot())
        for _ in range(2 * REST):
            arm.step(np.array([0, 0, load_robot().translation_m / 2, 0, 0, 0]))
        yield arm
    finally:
        env.close()
