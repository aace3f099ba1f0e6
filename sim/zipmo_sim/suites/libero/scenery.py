"""What looks for training need to know of LIBERO's scenes: what things stand on, and what may be recoloured."""

from __future__ import annotations

import re

from zipmo_sim.perturbations.subject import Perturbable
from zipmo_sim.suites.libero.assets import bddl_file

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
_COLOURED = re.compile("white|yellow|red_|porcelain|book")
_ROOM = 0.06  # m


def scenery(suite: str, name: str) -> Perturbable:
    """Of a task's scene, by its file. Nothing is singled out as the thing, and nothing is turned: sentences say where
    some things stand, and how they do is the layouts' business.
    """
    text = bddl_file(suite, name).read_text(encoding="utf-8")
    problem = re.search(r"\(problem LIBERO_(\w+)_Manipulation\)", text)
    assert problem, f"{bddl_file(suite, name)} says no problem"
    surface, height, area = _SURFACES[problem[1]]
    furniture, things = (_listed(text, section) for section in ("fixtures", "objects"))
    standing = tuple(f"{each}_main" for each, kind in furniture if not re.fullmatch("floor|.*table", kind))
    behind = tuple(geom for geom in _BEHIND if geom != surface)
    glazed = (*(f"{each}_main" for each, kind in things if not _COLOURED.search(kind)), *standing)
    return Perturbable("", None, standing, (surface,), height, area, _ROOM, behind, glazed, turns=False)


def _listed(text: str, section: str) -> list[tuple[str, str]]:
    """(name, kind) of what a section of a task file lists."""
    found = re.search(rf"\(:{section}\s(.*?)\)", text, re.DOTALL)
    lines = [line.split(" - ") for line in found[1].splitlines() if " - " in line] if found else []
    return [(each, kind.strip()) for names, kind in lines for each in names.split()]
