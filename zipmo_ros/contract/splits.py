"""Which initial states of a task serve what. Suites that have fewer have no state for some purposes."""

from __future__ import annotations

TRAINING = range(22)  # demonstrations start here (and from 100 on, where a suite has as many)
VALIDATION = range(22, 25)  # of demonstrations too, held out of training
EVALUATION = range(25, 50)  # for figures alone: never trained or chosen on
DEVELOPMENT = range(50, 100)  # to choose settings on

# What `states=` may name.
BY_NAME = {"evaluation": EVALUATION, "validation": VALIDATION, "development": DEVELOPMENT}
ALL = "all"  # as a name of states: every one there is, training's among them
# What serves choosing, and not figures.
CHOSEN_ON = ("validation", "development")
# No demonstration may start from these.
RESERVED = {"evaluation": EVALUATION, "choosing settings": DEVELOPMENT}


def states_named(name: str, init_states: int) -> range:
    """The initial states of a name, of a task that has so many."""
    return range(init_states) if name == ALL else BY_NAME[name]


def reserved_for(state: int) -> str | None:
    """What an initial state is kept for, so that no demonstration may start from it; None for the others."""
    return next((purpose for purpose, states in RESERVED.items() if state in states), None)
