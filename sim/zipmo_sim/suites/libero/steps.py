"""What a goal of several predicates asks for first, and where that is in the scene as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zipmo_sim.suites.libero.furniture import is_drawer, part_of

Predicate = tuple[str, ...]


def steps(robosuite: Any, goal: Iterable[Sequence[str]]) -> list[Predicate]:
    """What to bring about, in order, so that all of a goal's predicates hold at the end, from how the scene is now."""
    wanted: list[Predicate] = [tuple(predicate) for predicate in goal]
    found: list[Predicate] = []
    for predicate in wanted:
        opened = ("open", predicate[-1])
        into_drawer = predicate[0] == "in" and is_drawer(robosuite, predicate[2]) and not _holds(robosuite, predicate)
        if into_drawer and opened not in wanted and not _holds(robosuite, opened):
            found.append(opened)
        found.append(predicate)
    filled = {predicate[2] for predicate in wanted if predicate[0] == "in"}
    return sorted(found, key=lambda step: _turn(step, filled, found))


def due(robosuite: Any, goal: Iterable[Sequence[str]]) -> Predicate:
    """The first step that has not been brought about; the last one where all have."""
    ordered = steps(robosuite, goal)
    return next((step for step in ordered if not _holds(robosuite, step)), ordered[-1])


def first_taken(goal: Iterable[Sequence[str]]) -> Predicate | None:
    """Of what a goal takes somewhere, whose turn is first; None: it takes nothing."""
    carries: list[Predicate] = [tuple(predicate) for predicate in goal if len(predicate) == 3]
    return min(carries, key=lambda step: _turn(step, set(), carries), default=None)


def landmarks(robosuite: Any, goal: Iterable[Sequence[str]]) -> np.ndarray:
    """Of the step that is due [2, 3], m, world: what the hand takes, as it is now, and where that is to go.

    That is a thing and the middle of its place, or where a drawer, a door or a knob is gripped, and where it will be.
    """
    step = due(robosuite, goal)
    if len(step) == 2:
        part = part_of(robosuite, *step)
        return np.stack([part.grip, part.grip_once(step[0])])
    return np.stack([middle(robosuite, step[1]), middle(robosuite, step[2])])


def middle(robosuite: Any, name: str) -> np.ndarray:
    """Position [3] of a region's middle, or of a thing's origin."""
    model, data = robosuite.sim.model, robosuite.sim.data
    if name in robosuite.object_sites_dict:
        return data.get_site_xpos(name).copy()
    return data.body_xpos[model.body_name2id(f"{name}_main")].copy()


def _holds(robosuite: Any, predicate: Predicate) -> bool:
    return bool(robosuite._eval_predicate(predicate))


def _turn(step: Predicate, filled: set[str], found: list[Predicate]) -> int:
    """Its turn: what is in the way of others first; what something goes into is closed last; supports before loads."""
    kind, subject = step[0], step[1]
    if kind == "close":
        return 4 if any(place.startswith(subject) for place in filled) else 0
    if kind in ("open", "turnon", "turnoff"):
        return 1
    carried = any(other[0] in ("on", "in") and other[1] == step[2] for other in found)
    return 2 + carried
