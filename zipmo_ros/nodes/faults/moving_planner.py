"""The planner's node with the planner that never rests; what it says goes through a relay."""

from __future__ import annotations

import sys

from zipmo_ros.nodes.faults.moving import make_planner
from zipmo_ros.nodes.faults.taps import diverted
from zipmo_ros.nodes.planner_node import PlannerNode
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.wire import topics


def main(args: list[str] | None = None) -> int:
    words = diverted(topics.MOTION_EMBEDDING, topics.PLAN_INFO)
    return run(lambda: PlannerNode(make_planner, cli_args=words), args)


if __name__ == "__main__":
    sys.exit(main())
