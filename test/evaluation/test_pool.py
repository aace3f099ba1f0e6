"""Jobs spread over processes, and what is left when processes die."""

import atexit
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from zipmo_ros.evaluation.pool import Died, WorkerError, run_jobs


def square(group, jobs, answer, exit_at):
    for job in jobs:
        if job in exit_at:
            os._exit(3)
        answer((group, job * job))


def refuse(group, jobs, answer):
    os._exit(4)


def tidy(group, jobs, answer, mark):
    """Takes its time, and puts away what it has built."""
    try:
        for job in jobs:
            answer(job)
            time.sleep(60.0 * job)
    finally:
        Path(mark).touch()


def linger(group, jobs, answer):
    """Leaves Python something to do at its exit."""
    atexit.register(time.sleep, 1.0)
    answer(next(jobs))


def test_every_job_is_answered_once_though_one_kills_its_process():
    answers = list(run_jobs(square, {"a": range(4), "b": range(10, 12)}, 2, {2}))
    assert sorted((group, job) for group, job, _ in answers) == [
        ("a", 0),
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("b", 10),
        ("b", 11),
    ]
    outcomes = {job: outcome for _, job, outcome in answers}
    assert outcomes.pop(2) == Died("exit code 3")
    assert all(outcome[1] == job * job for job, outcome in outcomes.items())


def test_a_deadly_job_is_not_its_groups_end_though_it_is_the_first():
    outcomes = {job: outcome for _, job, outcome in run_jobs(square, {"a": range(3), "b": [7]}, 1, {0, 7})}
    died = Died("exit code 3")
    assert outcomes == {0: died, 1: ("a", 1), 2: ("a", 4), 7: died}


def test_a_group_whose_processes_cannot_start_is_an_error():
    with pytest.raises(WorkerError, match="exit code 4"):
        list(run_jobs(refuse, {"a": range(4)}, 1))
    assert multiprocessing.active_children() == []


def test_processes_put_away_what_they_have_built_when_nobody_wants_their_answers(tmp_path):
    jobs = run_jobs(tidy, {"a": range(4)}, 1, str(tmp_path / "mark"))
    next(jobs), next(jobs)
    time.sleep(0.2)
    start = time.monotonic()
    jobs.close()  # the process sleeps for a minute
    assert time.monotonic() - start < 5
    assert (tmp_path / "mark").exists()
    assert multiprocessing.active_children() == []


def test_a_process_that_is_told_to_end_while_it_exits_says_nothing(capfd):
    jobs = run_jobs(linger, {"a": range(4)}, 1)
    next(jobs)
    time.sleep(0.3)
    jobs.close()
    assert capfd.readouterr().err == ""
    assert multiprocessing.active_children() == []
