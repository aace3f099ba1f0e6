"""What has to be known of a scene to change it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Perturbable:
    """Names of the MuJoCo model, and where things stand; a suite says it of each of its tasks.

    thing: body that is taken or turned; "" where only looks are drawn (look.py), to which none is special. goal: body
    where it is to go, and that may be put elsewhere; None: there is none. fixtures: bodies without a joint that stand
    on the surface, the thing or its goal among them. surface: geoms, or bodies, that are seen of what everything stands
    on. height: of that, m. area: (least, greatest) x and y (m, world) of where things may stand: within reach and in
    sight. room: m around the thing that the hand, and what it moves, need. behind: geoms of floor and walls, where
    these are in sight. glazed: bodies that may be seen in other colours, because no sentence tells them by theirs;
    None: all with a free joint. turns: whether training turns things. alone: whether the thing stands on the surface by
    itself, and may be put elsewhere there: neither in or on another one, nor furniture, in and on which others are.
    round: whether nothing is seen of it when the thing is turned. handled: furniture that the task is about, whose
    drawers, doors and knobs need room.
    """

    thing: str
    goal: str | None
    fixtures: tuple[str, ...]
    surface: tuple[str, ...]
    height: float
    area: tuple[tuple[float, float], tuple[float, float]]
    room: float
    behind: tuple[str, ...] = ()
    glazed: tuple[str, ...] | None = None
    turns: bool = True
    alone: bool = True
    round: bool = False
    handled: tuple[str, ...] = ()
