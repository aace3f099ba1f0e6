"""What is wanted: a sentence, or pokes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_CHARACTERS = 1000


@dataclass(frozen=True)
class Sentence:
    """An instruction in words. Raises ValueError for one that is empty or too long."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("the instruction is empty")
        if len(self.text) > MAX_CHARACTERS:
            raise ValueError(f"the instruction has {len(self.text)} characters, at most {MAX_CHARACTERS} are taken")

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Pokes:
    """Points that shall be elsewhere: rows (y0, x0, y1, x1, t1) in [-1, 1], t1 in [0, 1] of the plan's span."""

    rows: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if np.shape(self.rows) != (len(self.rows), 5) or not np.isfinite(self.rows).all():
            raise ValueError(f"a poke is five finite numbers (y0, x0, y1, x1, t1), got {self.rows}")

    def __str__(self) -> str:
        return f"{len(self.rows)} pokes"


Goal = Sentence | Pokes


def goal_to_plain(goal: Goal) -> dict[str, Any]:
    """JSON-ready: {"sentence": text} or {"pokes": rows}."""
    return {"sentence": goal.text} if isinstance(goal, Sentence) else {"pokes": [list(row) for row in goal.rows]}


def goal_from_plain(plain: dict[str, Any]) -> Goal:
    """Inverse of goal_to_plain. Raises ValueError for anything else."""
    if isinstance(plain, dict) and isinstance(plain.get("sentence"), str):
        return Sentence(plain["sentence"])
    if isinstance(plain, dict) and isinstance(plain.get("pokes"), list):
        return Pokes(tuple(tuple(map(float, row)) for row in plain["pokes"]))
    raise ValueError(f"a goal is {{'sentence': text}} or {{'pokes': rows}}, got {plain}")
