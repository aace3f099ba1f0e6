"""`zipmo arm`: let the arms of a running graph move again, after whatever stopped them."""

from __future__ import annotations

import sys

from zipmo_ros.apps.configuration import load
from zipmo_ros.apps.switch import SwitchRequest, told


def main(argv: list[str]) -> int:
    """0; 1 where a node refused, or there is none; 2 for a wrong request."""
    try:
        request = load("arm", argv, SwitchRequest)
        from zipmo_ros.nodes.switches import arm  # only now: --help needs no ROS

        return told(arm(request.namespace, request.timeout))
    except TimeoutError as error:
        print(f"zipmo arm: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"zipmo arm: {error}", file=sys.stderr)
        return 2
