"""Episodes spread over processes, each outcome kept as soon as there is one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.journal import Journal
from zipmo_ros.evaluation.outcomes import Outcome
from zipmo_ros.evaluation.places import Place
from zipmo_ros.evaluation.pool import Died, run_jobs
from zipmo_ros.evaluation.runners import RUNNERS, Settings

_INTERRUPTED = "interrupted"


def interrupted(outcomes: Sequence[Outcome]) -> bool:
    """Whether Ctrl-C came before all episodes were done."""
    return any(outcome.error and outcome.error.startswith(_INTERRUPTED) for outcome in outcomes)


def run_parallel(
    settings: Settings,
    episodes: Sequence[Episode],
    workers: int,
    progress: Callable[[Outcome], None],
    journal: Journal | None = None,
    place: Place | None = None,
) -> list[Outcome]:
    """Run the episodes that the journal has no outcome of; all outcomes, in the order of `episodes`.

    progress: called after each episode that was run, when it is in the journal. place: see run_jobs.
    An episode that crashes is run once more, and the second outcome counts. One whose worker died twice, or that Ctrl-C
    came before, has an error of its own; the others are not lost.
    Those that Ctrl-C came before are not in the journal, so that they are run when it is opened again.

    Raises: ValueError if two episodes have one number. WorkerError if workers can't do anything at all.
    """
    if len({episode.number for episode in episodes}) < len(episodes):
        raise ValueError("episodes must have numbers of their own, or one's outcome would stand for another's")
    done = dict(journal.done) if journal else {}
    left = [episode for episode in episodes if episode.number not in done]
    crashed: dict[int, str] = {}  # how, of those that were run; a worker's death was tried twice already

    def run(some: Sequence[Episode]) -> None:
        groups = _groups(settings, some)
        with contextlib.closing(run_jobs(_serve, groups, workers, settings, place=place)) as jobs:
            for _, episode, outcome in jobs:
                if isinstance(outcome, Died):
                    outcome = _lost(episode, f"the worker ended ({outcome.how})")
                elif outcome.error and episode.number not in crashed:
                    crashed[episode.number] = outcome.error
                    continue
                outcome = replace(outcome, repeated=crashed.get(episode.number))
                done[episode.number] = outcome
                if journal:
                    journal.append(outcome)
                progress(outcome)

    with contextlib.suppress(KeyboardInterrupt):
        run(left)
        run([episode for episode in left if episode.number in crashed])
    return as_far_as(done, episodes, crashed)


def as_far_as(
    done: Mapping[int, Outcome], episodes: Sequence[Episode], crashed: Mapping[int, str] | None = None
) -> list[Outcome]:
    """The outcomes of `episodes`: of those that Ctrl-C came before an error, with how they had crashed already."""
    why = {number: f"{_INTERRUPTED}, after a crash ({how})," for number, how in (crashed or {}).items()}
    return [done.get(episode.number) or _lost(episode, why.get(episode.number, _INTERRUPTED)) for episode in episodes]


def _groups(settings: Settings, episodes: Sequence[Episode]) -> dict[str, list[Episode]]:
    """What one process serves after another: directly, a task, whose environment is made once; a whole evaluation
    over ROS, because its nodes take longer to start than to go over to another task."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(settings.suite if settings.via == "ros" else episode.task, []).append(episode)
    return groups


def _serve(group: str, episodes: Iterator[Episode], answer: Callable[[Outcome], None], settings: Settings) -> None:
    with contextlib.closing(RUNNERS[settings.via](settings, episodes)) as outcomes:
        for outcome in outcomes:
            answer(outcome)


def _lost(episode: Episode, why: str) -> Outcome:
    error = f"{why} before this episode was done"
    return Outcome.of(episode, success=False, original_success=False, steps=0, error=error)
