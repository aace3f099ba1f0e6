"""The simulator's node; what it measures goes through a relay."""

from __future__ import annotations

import sys

from zipmo_ros.contract.robot import load_robot
from zipmo_ros.nodes.faults.taps import diverted
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.sim_node import SimNode
from zipmo_ros.nodes.wire import topics


def main(args: list[str] | None = None) -> int:
    words = diverted(topics.JOINT_STATES, topics.CURRENT_POSE, *map(topics.image_topic, load_robot().views))
    return run(lambda: SimNode(cli_args=words), args)


if __name__ == "__main__":
    sys.exit(main())
