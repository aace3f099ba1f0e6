"""What is to be compared takes turns, so that ratios hold on a machine that does other things, too."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from tqdm import tqdm

from zipmo_ros.evaluation.places import Serve
from zipmo_ros.evaluation.processes import Processes


def take_turns(
    serve: Serve, arguments: Mapping[str, tuple], jobs: Iterable[Any], seed: int = 0
) -> dict[str, list[Any]]:
    """{name: answers to the jobs}. Each name has a process of its own, which is given its arguments and says None when
    it is ready; all get every job, one at a time, in an order that is drawn. The first job's answers do not count.

    Raises LostError for a process that breaks.
    """
    shuffle, place = random.Random(seed), Processes()
    answers: dict[str, list[Any]] = {name: [] for name in arguments}
    with ExitStack() as stack:
        workers = {}
        for name, given in tqdm(arguments.items(), desc="ready", disable=None):
            workers[name] = place.start(serve, name, given)
            stack.callback(place.end, [workers[name]])
            workers[name].take()
        order = list(workers)
        for job in tqdm(list(jobs), desc="turns", disable=None):
            shuffle.shuffle(order)
            for name in order:
                workers[name].give(job)
                answers[name].append(workers[name].take())
    return {name: several[1:] for name, several in answers.items()}
