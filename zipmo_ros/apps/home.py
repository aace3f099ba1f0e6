"""`zipmo home`: lead the hand slowly to the pose that episodes start from, through the node that drives the arm."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from zipmo_ros.arms.kinematics import Kinematics
from zipmo_ros.contract.robot import load_robot
from zipmo_ros.runtime.stepping import go_to


def main(argv: list[str]) -> int:
    """0 once it is there; 1 where it is not reached or nobody drives the arm; 2 for a wrong request."""
    parser = argparse.ArgumentParser(prog="zipmo home", description=__doc__)
    parser.add_argument("--robot", default="panda", help="of config/robots, or a YAML file with arm.home")
    parser.add_argument(
        "--speed", type=float, default=0.03, help="of the hand at most, m/s (rotation: ten times rad/s)"
    )
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds until it is given up")
    parser.add_argument("--namespace", default="", help="namespace of the graph")
    options = parser.parse_args(argv)
    try:
        robot = load_robot(options.robot)
        if robot.arm is None or robot.arm.home is None:
            raise ValueError(f"robot {robot.name} does not say where home is (arm.home)")
        goal = Kinematics(robot).forward(np.array(robot.arm.home))
        if not 0 < options.speed <= robot.limits.translation.velocity:
            raise ValueError(f"a speed lies above 0 and up to {robot.limits.translation.velocity} m/s")
    except (ValueError, FileNotFoundError, ImportError) as error:
        print(f"zipmo home: {error}", file=sys.stderr)
        return 2
    from zipmo_ros.nodes.stepping import commanded_arm  # only now: --help needs no ROS

    most = np.repeat([options.speed, 10 * options.speed], 3) / robot.response.gain
    try:
        with commanded_arm(robot, "zipmo_home", options.namespace) as arm:
            there = go_to(arm, goal, most, round(options.timeout * robot.rate_hz))
    except (TimeoutError, RuntimeError) as error:
        print(f"zipmo home: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # the arm has been stopped
        return 130
    print("home" if there else "not there: is the arm armed (`zipmo arm`), and its way free?")
    return int(not there)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
