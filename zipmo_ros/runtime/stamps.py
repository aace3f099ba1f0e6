"""Simulated time: every observation of every episode has a stamp of its own."""

from __future__ import annotations

CONTROL_PERIOD_NS = 50_000_000  # 20 Hz
EPISODE_GAP_NS = 1000 * 10**9  # longer than any episode, so that plans of one episode have expired in the next


def episode_number(task_index: int, init_state: int) -> int:
    """The number of the episode of a suite's task from one of its initial states, of which it has no more than 1000."""
    return task_index * 1000 + init_state


def observation_stamp(episode: int, step: int) -> int:
    """Stamp (ns) of observation `step` (0: before the first action) of episode number `episode`."""
    return episode * EPISODE_GAP_NS + step * CONTROL_PERIOD_NS
