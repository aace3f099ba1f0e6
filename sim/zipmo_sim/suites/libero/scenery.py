"""What looks for training, and perturbations, need to know of LIBERO's scenes, from the files of its tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from zipmo_sim.perturbations.subject import Perturbable
from zipmo_sim.suites.libero.assets import bddl_file
from zipmo_sim.suites.libero.steps import Predicate, first_taken

_STATED = re.compile(r"\((On|In|Open|Close|Turnon|Turnoff) ([^()]+)\)")  # what holds at first, or has to in the end
# By what a task file calls the kind of its problem: geom or body that is seen of the surface, its height (m), and where
# distractors may stand on it (least and greatest x and y, m).
_SURFACES = {
    "Floor": ("floor", 0.0, ((-0.28, 0.22), (-0.32, 0.32))),
    "Tabletop": ("table_visual", 0.9, ((-0.28, 0.25), (-0.35, 0.35))),
    "Kitchen_Tabletop": ("table_visual", 0.9, ((-0.28, 0.25), (-0.35, 0.35))),
    "Living_Room_Tabletop": ("living_room_table", 0.437, ((-0.28, 0.22), (-0.35, 0.35))),
    "Study_Tabletop": ("study_table", 0.885, ((-0.45, 0.02), (-0.35, 0.35))),
}
_SIDES = ("leftcorner", "rightcorner", "left", "right", "rear", "front")
_BEHIND = ("floor", *(f"wall_{side}_visual" for side in _SIDES))
# Kinds of things that a sentence may tell from others by a colour stay as they are.
_COLOURED = re.compile("white|yellow|red_|porcelain|book|black")
_ROUND = re.compile("plate|.*_bowl")
_SURFACE = re.compile("floor|.*table")  # kinds of furniture that all stands on
_ROOM = 0.06  # m


def scenery(suite: str, name: str) -> Perturbable:
    """Of a task's scene, by its file. Nothing is singled out as the thing, and nothing is turned: sentences say where
    some things stand, and how they do is the layouts' business.
    """
    text = _text(suite, name)
    problem = re.search(r"\(problem LIBERO_(\w+)_Manipulation\)", text)
    assert problem, f"{bddl_file(suite, name)} says no problem"
    surface, height, area = _SURFACES[problem[1]]
    furniture, things = (_listed(text, section) for section in ("fixtures", "objects"))
    standing = tuple(f"{each}_main" for each, kind in furniture if not _SURFACE.fullmatch(kind))
    behind = tuple(geom for geom in _BEHIND if geom != surface)
    glazed = (*(f"{each}_main" for each, kind in things if not _COLOURED.search(kind)), *standing)
    return Perturbable("", None, standing, (surface,), height, area, _ROOM, behind, glazed, turns=False)


def subject(suite: str, name: str, goal: Sequence[Predicate] | None = None) -> Perturbable:
    """Of a task's scene, by its file; goal: what has to hold, in place of what the file says.

    The thing is what is taken, of several things the first; where none is taken, the furniture that is opened, shut or
    turned on, which stays where it is, as does furniture that something is put in or on.
    """
    text = _text(suite, name)
    furniture, things = (_listed(text, section) for section in ("fixtures", "objects"))
    wanted = goal or [(kind.lower(), *what.split()) for kind, what in _STATED.findall(text.partition("(:goal")[2])]
    handled = tuple(
        f"{each}_main"
        for each, kind in furniture
        if not _SURFACE.fullmatch(kind) and any(part.startswith(each) for _, *about in wanted for part in about)
    )
    scene = replace(scenery(suite, name), handled=handled)
    taken = first_taken(wanted)
    if taken is None:
        return replace(scene, thing=handled[0], alone=False)
    _, thing, where = taken
    place = where.removesuffix("_contain_region")
    stands = next(what.split()[1] for _, what in _STATED.findall(text) if what.split()[0] == thing)
    return replace(
        scene,
        thing=f"{thing}_main",
        goal=f"{place}_main" if place in dict(things) else None,
        round=bool(_ROUND.fullmatch(dict(things)[thing])),
        alone=any(stands.startswith(each) for each, kind in furniture if _SURFACE.fullmatch(kind)),
    )


@cache
def _text(suite: str, name: str) -> str:
    """Of a task's file."""
    return bddl_file(suite, name).read_text(encoding="utf-8")


def _listed(text: str, section: str) -> list[tuple[str, str]]:
    """(name, kind) of what a section of a task file lists."""
    found = re.search(rf"\(:{section}\s(.*?)\)", text, re.DOTALL)
    lines = [line.split(" - ") for line in found[1].splitlines() if " - " in line] if found else []
    return [(each, kind.strip()) for names, kind in lines for each in names.split()]
