"""Simulated time: every observation of every episode has a stamp of its own."""

from __future__ import annotations

STATES_A_TASK = 1000  # at most: room between the numbers of two tasks' episodes
LAST_EPISODE = 2_000_000  # the wire counts seconds in 32 bits
EPISODE_BREAK_NS = 10**10  # a leap of time over which another episode began; an outage of the arm is shorter
EPISODE_GAP_NS = 1000 * 10**9  # longer than any episode, so that plans of one episode have expired in the next


def episode_number(task_index: int, init_state: int) -> int:
    """The number of the episode of a suite's task from one of its initial states, of which it has no more than 1000."""
    return task_index * 1000 + init_state


def observation_stamp(episode: int, step: int, period_ns: int) -> int:
    """Stamp (ns) of observation `step` (0: before the first action) of episode number `episode`."""
    return episode * EPISODE_GAP_NS + step * period_ns


def nearest_step(duration_ns: int, period_ns: int) -> int:
    """Control steps that a duration is, to the nearest."""
    return (duration_ns + period_ns // 2) // period_ns
