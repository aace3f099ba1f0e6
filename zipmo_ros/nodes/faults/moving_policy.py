"""The policy's node with the policy that never rests; what it commands goes through a relay."""

from __future__ import annotations

import sys

from zipmo_ros.nodes.faults.moving import make_policy
from zipmo_ros.nodes.faults.taps import diverted
from zipmo_ros.nodes.policy_node import PolicyNode
from zipmo_ros.nodes.running import run
from zipmo_ros.nodes.wire import topics


def main(args: list[str] | None = None) -> int:
    words = diverted(topics.POSE, topics.GRIPPER)
    return run(lambda: PolicyNode(make_policy, cli_args=words), args)


if __name__ == "__main__":
    sys.exit(main())
