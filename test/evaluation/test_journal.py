"""What is left of an evaluation that was killed, and that it goes on from there."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from killable import WORKERS, Via, outcome_of

from zipmo_ros.evaluation.episodes import Episode
from zipmo_ros.evaluation.journal import Journal, run_identity
from zipmo_ros.evaluation.parallel import interrupted, run_parallel
from zipmo_ros.evaluation.pool import WorkerError
from zipmo_ros.evaluation.runners import Settings

SETTINGS = Settings("toy", Path("there"), "direct", 7, 2, 4, "intended")
EPISODES = [Episode(number, "a", number, 7, "a", "do a") for number in range(4)]
IDENTITY = run_identity(SETTINGS, EPISODES, {"checkpoint": "1234"})


def outcome(number, **result):
    return outcome_of(EPISODES[number], **result)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a/run.episodes.jsonl"


# -- the file ----------------------------------------------------------------------------------------------------------


def test_outcomes_are_as_they_were_when_the_file_is_opened_again(path):
    outcomes = [outcome(0, done_tasks=("a", "b"), plan_ms=0.1 + 0.2), outcome(2, success=False, failure="timeout")]
    with Journal(path, IDENTITY) as journal:
        for one in outcomes:
            journal.append(one)
            assert path.read_bytes().endswith(b"\n")
    with Journal(path, IDENTITY) as journal:
        assert journal.done == {0: outcomes[0], 2: outcomes[1]}
        journal.remove()
    assert not path.exists()


def test_a_file_may_end_anywhere(path):
    with Journal(path, IDENTITY) as journal:
        journal.append(outcome(0))
        journal.append(outcome(1))
    content = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    for length in sorted({*range(0, len(content), 9), *ends, *(end - 1 for end in ends)}):
        path.write_bytes(content[:length])
        with Journal(path, IDENTITY) as journal:
            assert list(journal.done) == list(range(sum(end <= length for end in ends[1:])))
            journal.append(outcome(3))
        with Journal(path, IDENTITY) as journal:
            assert journal.done[3] == outcome(3)


def test_episodes_that_crashed_are_to_be_run_again(path):
    with Journal(path, IDENTITY) as journal:
        journal.append(outcome(0, error="ValueError: broken"))
    with Journal(path, IDENTITY) as journal:
        assert journal.done == {}
        journal.append(outcome(0))
    with Journal(path, IDENTITY) as journal:
        assert journal.done == {0: outcome(0)}


def test_another_evaluation_is_refused_unless_it_begins_anew(path):
    others = {
        r"nfe \(4 there, 10 now\)": run_identity(replace(SETTINGS, nfe=10), EPISODES, {"checkpoint": "1234"}),
        r"checkpoint \(1234 there, 5678 now\)": run_identity(SETTINGS, EPISODES, {"checkpoint": "5678"}),
        r"episodes \(4 of 1 tasks, .* 2 of 1 tasks": run_identity(SETTINGS, EPISODES[:2], {"checkpoint": "1234"}),
    }
    with Journal(path, IDENTITY) as journal:
        journal.append(outcome(0))
    for difference, identity in others.items():
        with pytest.raises(ValueError, match=f"with other {difference}.*another out= .* fresh=true"):
            Journal(path, identity)
    moved = run_identity(replace(SETTINGS, checkpoint=Path("elsewhere")), EPISODES, {"checkpoint": "1234"})
    with Journal(path, moved) as journal:
        assert list(journal.done) == [0]
    with Journal(path, next(iter(others.values())), fresh=True) as journal:
        assert journal.done == {}


def test_a_journal_from_before_a_setting_came_goes_on_with_what_is_usual(path):
    with Journal(path, {name: value for name, value in IDENTITY.items() if name != "warm_start"}) as journal:
        journal.append(outcome(0))
    with Journal(path, IDENTITY) as journal:
        assert list(journal.done) == [0]
    with pytest.raises(ValueError, match=r"with other warm_start \(None there, 0.5 now\)"):
        Journal(path, run_identity(replace(SETTINGS, warm_start=0.5), EPISODES, {"checkpoint": "1234"}))


def test_files_of_other_kinds_and_files_in_use_are_refused(path):
    with Journal(path, IDENTITY), pytest.raises(BlockingIOError, match="another evaluation is writing"):
        Journal(path, IDENTITY)
    for content in ("not\nthis\n", "one line without an end"):
        path.write_text(content)
        with pytest.raises(ValueError, match="not what an evaluation writes"):
            Journal(path, IDENTITY)
        assert path.read_text() == content


# -- processes ---------------------------------------------------------------------------------------------------------


def test_an_episode_whose_worker_dies_twice_is_an_error_and_the_others_are_not_lost(path):
    with Journal(path, IDENTITY) as journal:
        journal.append(outcome(3, steps=1))
        seen = []
        outcomes = run_parallel(replace(SETTINGS, via=Via("die")), EPISODES, 2, seen.append, journal)
    assert [one.number for one in outcomes] == [0, 1, 2, 3]
    lost = "the worker ended (exit code 5) before this episode was done"
    assert [one.error for one in outcomes] == [lost, None, lost, None]
    assert outcomes[3].steps == 1
    assert sorted(one.number for one in seen) == [0, 1, 2]


def test_an_episode_that_crashes_is_run_once_more(path):
    path.parent.mkdir()
    settings, seen = replace(SETTINGS, via=Via("flaky"), checkpoint=path.parent), []
    with Journal(path, IDENTITY) as journal:
        outcomes = run_parallel(settings, EPISODES, 2, seen.append, journal)
    assert [(one.success, one.error, one.repeated) for one in outcomes] == [
        (True, None, None), (True, None, "crashed"), (False, "crashed", "crashed"), (True, None, None),
    ]  # fmt: skip
    assert sorted(one.number for one in seen) == [0, 1, 2, 3]


def test_how_an_episode_crashed_is_known_though_ctrl_c_comes_before_its_second_run(tmp_path):
    def interrupt(outcome):
        raise KeyboardInterrupt

    settings = replace(SETTINGS, via=Via("flaky"), checkpoint=tmp_path)
    outcomes = run_parallel(settings, [EPISODES[2], EPISODES[0], EPISODES[3]], 1, interrupt)
    assert [one.error for one in outcomes] == [
        "interrupted, after a crash (crashed), before this episode was done", None,
        "interrupted before this episode was done",
    ]  # fmt: skip
    assert interrupted(outcomes[:1])


def test_workers_that_can_do_nothing_and_numbers_that_meet_are_errors():
    with pytest.raises(WorkerError, match="exit code 6"):
        run_parallel(replace(SETTINGS, via=Via("refuse")), EPISODES, 1, lambda one: None)
    with pytest.raises(ValueError, match="numbers of their own"):
        run_parallel(SETTINGS, [*EPISODES, EPISODES[0]], 1, lambda one: None)


def start(folder, via, episodes):
    command = [sys.executable, "-m", "killable", str(folder), via, str(episodes)]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | paths)


def lines(folder):
    journal = folder / "report.episodes.jsonl"
    return journal.read_bytes().splitlines()[1:] if journal.exists() else []


def killed_until_done(folder, via, episodes, pauses):
    """The report of an evaluation that is killed so many seconds after it has something to lose, and started again."""
    for pause in pauses:
        process, before = start(folder, via, episodes), len(lines(folder))
        while process.poll() is None and len(lines(folder)) == before:
            time.sleep(0.005)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(folder, via, episodes).wait() == 0
    return json.loads((folder / "report.json").read_text())


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    pauses = [random.Random(3).uniform(0, 0.15) for _ in range(4)]
    killed = killed_until_done(tmp_path / "killed", "stub", 20, pauses)
    assert killed == killed_until_done(tmp_path / "whole", "stub", 20, [])
    outcomes = killed["episodes"]
    assert len({one["number"] for one in outcomes}) == len(outcomes) == 60
    finished = [json.loads(line)["number"] for line in lines(tmp_path / "killed") if json.loads(line)["error"] is None]
    crashes = [one["number"] for one in outcomes if one["error"]]
    assert len(finished) == len(set(finished)) == 60 - len(crashes)
    starts = (tmp_path / "killed/starts.txt").read_text().split()
    again = [number for number in starts if int(number) not in crashes]
    assert len(again) - len(finished) <= WORKERS * len(pauses)


@pytest.mark.slow
def test_the_expert_killed_in_the_simulator_ends_as_if_it_had_not_been(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    killed = killed_until_done(tmp_path / "killed", "direct", 3, [random.Random(5).uniform(0, 1)])
    assert killed == killed_until_done(tmp_path / "whole", "direct", 3, [])
    assert killed["success_rate"] == 1.0
