"""Simulated time: every observation of every episode has a stamp of its own."""

from __future__ import annotations

# A suite's tasks have blocks of numbers side by side; what does not fit in a task's first block goes on in its next
# one, above the first blocks of all tasks.
STATES_A_TASK = 1000  # the numbers of a block
LAST_EPISODE = 2_000_000  # a ROS stamp's seconds are an int32
EPISODE_BREAK_NS = 10**10  # a leap of time over which another episode began; an outage of the arm is shorter
EPISODE_GAP_NS = 1000 * 10**9  # longer than any episode, so that plans of one episode have expired in the next

_TASKS = 130  # of a suite, at most
_TURN = 50  # numbers that a round through the initial states takes at least


def episode_number(task_index: int, init_state: int, turn: int = 0, span: int = _TURN) -> int:
    """The number of an episode of a suite's task: another one for every task, turn and initial state.

    turn: how often the episodes have gone through the initial states before; they go through `span` of them in a row.
    Raises ValueError where the numbers end.
    """
    place = turn * max(span, _TURN) + init_state
    block, within = divmod(place, STATES_A_TASK)
    number = (block * _TASKS + task_index) * STATES_A_TASK + within
    if not 0 <= task_index < _TASKS or place < 0 or number >= LAST_EPISODE:
        raise ValueError(
            f"no episode number for task {task_index}, initial state {init_state}, turn {turn}: there are "
            f"{LAST_EPISODE // _TASKS} numbers for each of {_TASKS} tasks of a suite"
        )
    return number


def observation_stamp(episode: int, step: int, period_ns: int) -> int:
    """Stamp (ns) of observation `step` (0: before the first action) of episode number `episode`."""
    return episode * EPISODE_GAP_NS + step * period_ns


def goes_on(before_ns: int | None, after_ns: int) -> bool:
    """Whether a stamp may follow another one (None: there is none) within an episode: neither back nor with a leap."""
    return before_ns is None or 0 <= after_ns - before_ns <= EPISODE_BREAK_NS


def nearest_step(duration_ns: int, period_ns: int) -> int:
    """Control steps that a duration is, to the nearest."""
    return (duration_ns + period_ns // 2) // period_ns
