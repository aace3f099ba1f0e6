"""An evaluation to be killed: `python -m killable FOLDER VIA EPISODES` writes FOLDER/report.json in the end.

via=stub takes no time, and notes in FOLDER/starts.txt what it begins.
"""

import os
import sys
import time
from pathlib import Path

from zipmo_ros.evaluation import runners
from zipmo_ros.evaluation.episodes import draw_episodes
from zipmo_ros.evaluation.journal import Journal, run_identity
from zipmo_ros.evaluation.outcomes import Outcome, summarise
from zipmo_ros.evaluation.parallel import run_parallel
from zipmo_sim.suites import tasks

WORKERS = 2


class Via(str):
    """A name of RUNNERS that brings this module, and so its entries, to the worker processes."""


def outcome_of(episode, **result):
    return Outcome.of(episode, **{"success": True, "original_success": True, "steps": 9} | result)


def stub(settings, episodes):
    for episode in episodes:
        with (settings.checkpoint / "starts.txt").open("a") as starts:
            starts.write(f"{episode.number}\n")
        time.sleep(0.02)
        if episode.number % 17 == 0:
            yield outcome_of(episode, success=False, error="crashed")
        else:
            yield outcome_of(episode, done_tasks=(episode.task, "another"), action_error=episode.number / 7)


def slow(settings, episodes):
    """As `stub`, with time to be killed in; notes which process begins what."""
    for episode in episodes:
        with (settings.checkpoint / "starts.txt").open("a") as starts:
            starts.write(f"{episode.number}-{os.getpid()}\n")
        time.sleep(0.5)
        yield outcome_of(episode, action_error=episode.number / 7)


def flaky(settings, episodes):
    """Episode 1 crashes the first time, episode 2 always."""
    for episode in episodes:
        mark = settings.checkpoint / f"{episode.number}"
        broken = episode.number == 2 or (episode.number == 1 and not mark.exists())
        mark.touch()
        yield outcome_of(episode, success=not broken, error="crashed" if broken else None)


def die(settings, episodes):
    for episode in episodes:
        if episode.number in (0, 2):
            os._exit(5)
        yield outcome_of(episode)


def refuse(settings, episodes):
    yield from ()
    os._exit(6)


runners.RUNNERS.update(stub=stub, slow=slow, flaky=flaky, die=die, refuse=refuse)


def main(folder: Path, via: str, episodes: int) -> None:
    from zipmo_ros.evaluation.results import write_json  # takes torch, and a worker process would import it as well

    chosen = tasks("mini")[:3] if via == "stub" else [task for task in tasks("mini") if task.name == "turn_lever_left"]
    settings = runners.Settings("mini", folder, Via(via), 7, 2, 4, "intended", oracle="expert")
    drawn = draw_episodes(chosen, episodes, seed=7)
    with Journal(folder / "report.episodes.jsonl", run_identity(settings, drawn, {})) as journal:
        outcomes = run_parallel(settings, drawn, WORKERS if via == "stub" else 1, lambda outcome: None, journal)
    write_json(folder / "report.json", summarise(outcomes, suite="mini", via=via, seed=7))


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
