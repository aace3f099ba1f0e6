"""What `zipmo arm` and `zipmo stop` share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

from zipmo_ros.apps.configuration import Range, load


@dataclass(frozen=True)
class SwitchRequest:
    """Keys of config/hydra/arm.yaml and stop.yaml."""

    namespace: str
    timeout: Annotated[float, Range(0.1, 600)]


def switch(which: Literal["arm", "stop"], argv: list[str]) -> int:
    """Have it done and print what each node says.

    0; 1 where a node did not do what it was asked, or there is none; 2 for a wrong request.
    """
    try:
        request = load(which, argv, SwitchRequest)
        from zipmo_ros.nodes import switches  # only now: --help needs no ROS

        do = {"arm": switches.arm, "stop": switches.stop}[which]
        answers = do(request.namespace, request.timeout)
    except TimeoutError as error:
        print(f"zipmo {which}: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"zipmo {which}: {error}", file=sys.stderr)
        return 2
    for answer in answers:
        print(f"{answer.node}: {answer.text}" if answer.done else f"{answer.node}: NOT done: {answer.text}")
    return int(not all(answer.done for answer in answers))
