"""`zipmo stop`: stop the arms of a running graph, until `zipmo arm`."""

from __future__ import annotations

import sys

from zipmo_ros.apps.configuration import load
from zipmo_ros.apps.switch import SwitchRequest, told


def main(argv: list[str]) -> int:
    """0; 1 where a node did not say that it stopped, or there is none; 2 for a wrong request."""
    try:
        request = load("stop", argv, SwitchRequest)
        from zipmo_ros.nodes.switches import stop  # only now: --help needs no ROS

        return told(stop(request.namespace, request.timeout))
    except TimeoutError as error:
        print(f"zipmo stop: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"zipmo stop: {error}", file=sys.stderr)
        return 2
