"""Horizons by name: how chunks that come late, and overlap, become one command."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zipmo_ros.contract.robot import RobotSpec
from zipmo_ros.runtime.anchored import AnchoredHorizon
from zipmo_ros.runtime.ensembling import Mode, NewestChunk, TemporalEnsemble
from zipmo_ros.runtime.horizon import Ensemble, Horizon


class Recipe(NamedTuple):
    """What a horizon is made of. blend: mode of the temporal ensemble -> what blends."""

    what: str
    blend: Callable[[Mode], Ensemble]
    kind: type[Horizon]


HORIZONS = {
    "ensemble": Recipe("chunks blended by their age", TemporalEnsemble, Horizon),
    "newest": Recipe("the newest chunk alone", lambda _: NewestChunk(), Horizon),
    "anchored": Recipe("chunks blended, with goals that stay where each chunk meant them, from the hand at its "
                       "observation on", TemporalEnsemble, AnchoredHorizon),
}  # fmt: skip


def make_horizon(name: str, ensemble: Mode, replan_every: int, robot: RobotSpec) -> Horizon:
    """The horizon of this name (of HORIZONS). ensemble: how the temporal ensemble indexes, where there is one."""
    recipe = HORIZONS[name]
    return recipe.kind(recipe.blend(ensemble), replan_every, robot)
