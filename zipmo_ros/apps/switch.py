"""What `zipmo arm` and `zipmo stop` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from zipmo_ros.apps.configuration import Range

if TYPE_CHECKING:
    from zipmo_ros.nodes.switches import Answer


@dataclass(frozen=True)
class SwitchRequest:
    """Keys of config/hydra/arm.yaml and stop.yaml."""

    namespace: str
    timeout: Annotated[float, Range(0.1, 600)]


def told(answers: Sequence[Answer]) -> int:
    """Print each answer; 0 if all did what they were asked, else 1."""
    for answer in answers:
        print(f"{answer.node}: {answer.text}" if answer.done else f"{answer.node}: NOT done: {answer.text}")
    return int(not all(answer.done for answer in answers))
