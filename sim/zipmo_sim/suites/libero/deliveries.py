"""Deliveries that a scene of libero_object or libero_spatial allows: of each thing that could be taken, not of one.

LIBERO has one task in each of these scenes, so the picture alone would tell what to do.
"""

from __future__ import annotations

import re
from functools import cache

from zipmo_sim.suites.libero.assets import bddl_file, task_maps

# By suite: what stands there to be taken, and by what a sentence tells it from the others (of groceries, what it is; of
# bowls, where it is); then the predicate that a task asks for, without the thing.
_DELIVERIES = {
    "libero_object": (r"\(On ((\w+)_1) floor_(?:target|other)_object_region", "in", "basket_1_contain_region"),
    "libero_spatial": (r"\((?:On|In) (akita_black_bowl_[12]) (\w+)\)", "on", "plate_1"),
}


def deliveries(suite: str, name: str) -> dict[str, tuple[str, str, str]]:
    """{sentence: predicate that has to hold} in the scene of one of LIBERO's own tasks, the task's own first.

    The sentences are those of the suite's tasks. Empty for other suites.
    """
    if suite not in _DELIVERIES:
        return {}
    _, verb, place = _DELIVERIES[suite]
    told = _told(suite)
    return {told[mark]: (verb, thing, place) for thing, mark in _things(suite, name)}


@cache
def _told(suite: str) -> dict[str, str]:
    """{what tells a thing from others: the sentence that takes it}."""
    return {_things(suite, entry.name)[0][1]: entry.language for entry in task_maps()[suite].values()}


@cache
def _things(suite: str, name: str) -> list[tuple[str, str]]:
    """(thing, what tells it from others) as they are placed at first; the task's own comes first."""
    placed, _, _ = bddl_file(suite, name).read_text(encoding="utf-8").partition("(:goal")
    return re.findall(_DELIVERIES[suite][0], placed)
