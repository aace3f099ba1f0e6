"""`zipmo calibrate`: how the arm follows the goal of its hand, beside the arm that the models were trained on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from zipmo_ros.apps.configuration import Range, load, plain
from zipmo_ros.contract.robot import RobotSpec, load_robot
from zipmo_ros.evaluation.calibration import report_of, step_responses, trained_arm
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_calibration
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.runtime.stepping import SteppedArm
from zipmo_sim.suites import tasks


@dataclass(frozen=True)
class CalibrationRequest:
    """Keys of config/hydra/calibrate.yaml."""

    via: Literal["ros", "direct"]
    robot: str
    suite: str
    compare: bool
    step_m: Annotated[float, Range(0.001, 0.05)]
    step_rad: Annotated[float, Range(0.01, 0.5)]
    seconds: Annotated[float, Range(0.6, 3.0)]
    namespace: str
    out: Path


@contextmanager
def the_arm(request: CalibrationRequest, robot: RobotSpec) -> Iterator[SteppedArm]:
    if request.via == "direct":
        with trained_arm(request.suite) as arm:
            yield arm
        return
    from zipmo_ros.nodes.stepping import commanded_arm  # only now: via=direct needs no ROS

    with commanded_arm(robot, "zipmo_calibrate", request.namespace) as arm:
        yield arm


def table(report: dict) -> str:
    """Gain and lag of the parts, a row an arm."""
    lines = [f"{'':<14}{'translation':>24}{'rotation':>24}", f"{'':<14}" + f"{'gain 1/s':>14}{'lag s':>10}" * 2]
    for name in ("arm", "trained"):
        if report[name] is not None:
            parts = (report[name][part] for part in ("translation", "rotation"))
            lines.append(f"{name:<14}" + "".join(f"{p['gain']:>14.2f}{p['lag_s']:>10.3f}" for p in parts))
    said = report["response"]
    lines.append(f"{'robot says':<14}" + f"{said['gain']:>14.2f}{said['lag_s']:>10.3f}" * 2)
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """0; 1 where the arm is not there or does not follow; 2 for a wrong request."""
    try:
        request = load("calibrate", argv, CalibrationRequest)
        robot = load_robot(request.robot)
        tasks(request.suite)  # an unknown one is told as such
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo calibrate: {error}", file=sys.stderr)
        return 2
    sizes, steps = np.repeat([request.step_m, request.step_rad], 3), round(request.seconds * robot.rate_hz)
    trained = None
    try:
        with the_arm(request, robot) as arm:
            measured = report_of(list(step_responses(arm, sizes, steps)))
        if request.compare and request.via != "direct":
            with trained_arm(request.suite) as arm:
                trained = report_of(list(step_responses(arm, sizes, steps)))
    except (ValueError, TimeoutError, RuntimeError) as error:
        print(f"zipmo calibrate: {error}", file=sys.stderr)
        return 1
    report = {**asked("calibrate", argv, plain(request)), "arm": measured, "trained": trained,
              "response": vars(robot.response)}  # fmt: skip
    write_json(request.out, report)
    picture = request.out.with_suffix(".png")
    plot_calibration(report, picture)
    print(table(report))
    print(f"written to {request.out} and {picture}")
    return 0
