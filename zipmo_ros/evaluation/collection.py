"""Collection of demonstrations: experts roll out without images, successes are rendered and tracked from their states.

Every attempt has an identity (task, initial state, seed) that fixes all of its random choices, so running a collection
again continues it: what exists or is known to fail is left alone.
"""

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from zipmo_ros.contract.splits import DEVELOPMENT, EVALUATION, RESERVED
from zipmo_ros.data import schema
from zipmo_ros.data.demos import DemoError, DemoFile, Identity, known, merge, write_failure, write_part
from zipmo_ros.evaluation.demonstrate import Attempt, CollectionSettings, make_demo
from zipmo_ros.evaluation.places import Place
from zipmo_ros.evaluation.pool import Died, run_jobs
from zipmo_sim import suites
from zipmo_sim.env import ManipulationEnv
from zipmo_sim.provenance import asset_hash, model_hash, render_hash
from zipmo_sim.rendering import select_backend

if TYPE_CHECKING:
    from zipmo_ros.evaluation.leading import Leader  # imports torch, which collecting alone does not need

log = logging.getLogger(__name__)

_STRIDE = 7  # states between the first ones of two tasks
_SEEDS_APART = 1000  # seeds of one collection: seed * 1000, + 1, ... for every round through the initial states


@dataclass(frozen=True)
class Summary:
    """Of one task, earlier runs included. errors: attempts of this run that ended without a result."""

    task: str
    tried: int
    kept: int
    mean_steps: float
    errors: int


def collect(
    suite: str,
    tasks: Sequence[str] | None = None,
    episodes: int = 40,
    out: str | Path = "data",
    workers: int = 1,
    seed: int = 0,
    init_states: Sequence[int] | None = None,
    settings: CollectionSettings | None = None,
    progress: Callable[[Attempt], None] | None = None,
    load_leader: "Callable[[], Leader] | None" = None,
    place: Place | None = None,
) -> list[Summary]:
    """Make `episodes` attempts at each task and keep those that succeed, in `<out>/<suite>/<task>_demo.hdf5`.

    tasks: names; None for all that the expert can do. workers: processes, each with an environment of its own.
    init_states: attempts go round through them; None: usual_states. progress: called after each attempt of this run.
    load_leader: makes the model that acts first (leading.py); called in the processes, so it must be picklable.
    place: see run_jobs.

    Raises:
        ValueError: unknown suite or task, initial states kept for evaluation, or settings out of range.
        DemoError: demonstrations that are there already were made otherwise. BlockingIOError: the folder is in use.
        WorkerError: the environment of a task can't be made.
    """
    settings = settings or CollectionSettings()
    names = _checked_tasks(suite, tasks)
    if settings.looks:
        scene = suites.scenery(suite, names[0])  # a suite without is told as such
        if settings.aside and not scene.turns:
            raise ValueError(f"{suite} keeps its layouts, so aside has to be 0, got {settings.aside}")
    attempts = _attempts(suite, names, episodes, seed, _checked_states(suite, init_states))
    _check(settings, workers)
    errors = dict.fromkeys(names, 0)
    with _locked(Path(out) / suite):
        todo = {}
        for name in names:
            _check_looks(merge(out, suite, name), settings)
            done, failed = known(out, suite, name)
            todo[name] = [attempt for attempt in attempts[name] if attempt not in done | failed]
        left = {name: len(jobs) for name, jobs in todo.items()}
        for name, identity, outcome in run_jobs(
            _serve, todo, workers, suite, str(Path(out).absolute()), settings, load_leader, place=place
        ):
            if isinstance(outcome, Died):
                detail = f"the process died ({outcome.how})"
                outcome = Attempt(name, identity, "died", detail=detail)
            if outcome.status in ("error", "died"):
                errors[name] += 1
                log.warning("%s, init state %d, seed %d: %s", name, *identity, outcome.detail)
            if progress:
                progress(outcome)
            left[name] -= 1
            if not left[name]:
                merge(out, suite, name)
        return [_summary(out, suite, name, errors[name]) for name in names]


def count_attempts(
    suite: str,
    tasks: Sequence[str] | None,
    episodes: int,
    out: str | Path,
    seed: int,
    init_states: Sequence[int] | None,
) -> tuple[int, int]:
    """(attempts in all, attempts left to do) of a collection, for a progress bar."""
    attempts = _attempts(suite, _checked_tasks(suite, tasks), episodes, seed, _checked_states(suite, init_states))
    left = 0
    for name, identities in attempts.items():
        done, failed = known(out, suite, name)
        left += len(set(identities) - done - failed)
    return len(attempts) * episodes, left


def summary_table(summaries: Sequence[Summary]) -> str:
    """A table of plain text, one task a line and the sum below."""
    width = max(len(summary.task) for summary in summaries)
    lines = [f"{'task':<{width}}  tried  kept  mean steps  errors"]
    lines += [
        f"{one.task:<{width}}  {one.tried:5d}  {one.kept:4d}  {one.mean_steps:10.1f}  {one.errors:6d}"
        for one in summaries
    ]
    tried, kept = sum(one.tried for one in summaries), sum(one.kept for one in summaries)
    steps = sum(one.mean_steps * one.kept for one in summaries) / max(kept, 1)
    lines.append(f"{'all':<{width}}  {tried:5d}  {kept:4d}  {steps:10.1f}  {sum(one.errors for one in summaries):6d}")
    return "\n".join(lines)


# -- processes -----------------------------------------------------------------------------------------------------


def _serve(
    task: str,
    jobs: Iterator[Identity],
    answer: Callable[[Attempt], None],
    suite: str,
    out: str,
    settings: CollectionSettings,
    load_leader: "Callable[[], Leader] | None",
) -> None:
    """A worker process: one environment, made, stepped, rendered and closed here."""
    env = suites.make_env(suite, task, image_every=0)
    try:
        shared = _shared(env, settings)
        leader = load_leader() if load_leader else None
        for identity in jobs:
            try:
                demos, outcome = make_demo(env, identity, settings, leader)
            except Exception as error:  # one attempt must not end a collection of hundreds; it is counted and told
                answer(Attempt(task, identity, "error", detail=f"{type(error).__name__}: {error}"))
                continue
            if demos:
                start = perf_counter()
                for demo in reversed(demos):  # the attempt's own seed last: where that is, all looks of it are
                    write_part(out, shared, demo)
                outcome.seconds["write"] = perf_counter() - start
            else:
                write_failure(out, suite, task, identity)
            answer(outcome)
    finally:
        env.close()


def _shared(env: ManipulationEnv, settings: CollectionSettings) -> dict[str, object]:
    """Attributes of a file of demonstrations, as far as they are known before it is complete."""
    task = env.task
    return {
        "suite": task.suite,
        "task": task.name,
        "language": task.language,
        "landmark_sentences": json.dumps([suites.sentence(task.suite, name) for name in env.landmarks()]),
        "env_args": json.dumps(
            {"env_name": task.scene, "suite": task.suite, "task": task.name, "control_freq": env.robot.rate_hz}
        ),
        "problem_info": json.dumps({"problem_name": task.scene, "language_instruction": task.language}),
        "asset_hash": asset_hash(task.suite),
        "model_hash": model_hash(env),
        "render_hash": render_hash(task.suite, env.render_settings),
        "render_every": settings.render_every,
        **({schema.LOOKS: settings.looks} if settings.looks else {}),
    }


# -- checks --------------------------------------------------------------------------------------------------------


def _attempts(
    suite: str, names: Sequence[str], episodes: int, seed: int, states: Sequence[int]
) -> dict[str, list[Identity]]:
    """What to try for each task. Each begins elsewhere in the round of states, because tasks of a scene share them."""
    if episodes < 0 or seed < 0:
        raise ValueError(f"episodes and seed must not be negative, got {episodes} and {seed}")
    turns = [(state, seed * _SEEDS_APART + turn) for turn in range(-(-episodes // len(states))) for state in states]
    tried = {}
    for name in names:
        first = _STRIDE * suites.task(suite, name).index % len(states)
        tried[name] = [turns[at - at % len(states) + (at + first) % len(states)] for at in range(episodes)]
    return tried


def usual_states(suite: str) -> range:
    """Where demonstrations start if nothing is said: the first states, or all layouts of our own that nothing needs."""
    tasks = suites.tasks(suite)
    if any(task.stored for task in tasks):
        return range(DEVELOPMENT.stop, min(task.init_states for task in tasks))
    return range(EVALUATION.start)


def _checked_states(suite: str, states: Sequence[int] | None) -> list[int]:
    states = [int(state) for state in (usual_states(suite) if states is None else states)]
    known = range(min(task.init_states for task in suites.tasks(suite)))
    if not states or not all(state in known for state in states):
        raise ValueError(f"{suite} has init states 0-{known[-1]}, got {states or 'none'}")
    stored = max(task.stored for task in suites.tasks(suite))
    if benchmark := [state for state in states if state < stored]:
        raise ValueError(
            f"init states 0-{stored - 1} of {suite} are the benchmark's own, kept for evaluation, got {benchmark}"
        )
    for purpose, kept in RESERVED.items():
        if reserved := [state for state in states if state in kept]:
            raise ValueError(f"init states {kept[0]}-{kept[-1]} are kept for {purpose}, got {reserved}")
    return states


def _checked_tasks(suite: str, names: Sequence[str] | None) -> list[str]:
    if base := suites.suite_entry(suite).base:
        raise ValueError(f"{suite} is LIBERO-PRO's, kept for figures: nothing is trained on it. Collect on {base}")
    chosen = suites.tasks(suite) if names is None else [suites.task(suite, name) for name in names]
    return [task.name for task in suites.within_expert(chosen, leave_out=names is None)]


def _check_looks(there: DemoFile | None, settings: CollectionSettings) -> None:
    if there and there.looks != settings.looks:
        raise DemoError(f"{there.path} was collected with looks={there.looks or 'null'}: collect into another folder")


def _check(settings: CollectionSettings, workers: int) -> None:
    if min(workers, settings.render_every, settings.looks_per_demo) < 1 or settings.after_success < 0:
        raise ValueError("workers, render_every and looks_per_demo must be at least 1, after_success at least 0")
    if settings.looks is None and settings.looks_per_demo > 1:
        raise ValueError("looks_per_demo needs looks=training: without, all would be the same")
    if not 0 <= settings.aside <= 0.1 or (settings.aside and settings.looks is None):
        raise ValueError(f"aside is 0 .. 0.1 m, of looks=training, got {settings.aside} with looks={settings.looks}")
    if not settings.noise or not all(0 <= level <= 0.5 for level in settings.noise):
        raise ValueError(f"noise levels must be in 0 .. 0.5, got {settings.noise}")
    for name, share in (("recovery", settings.recovery), ("led", settings.led)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is a share, 0 .. 1, got {share}")
    select_backend()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One collection at a time may write into a folder; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BlockingIOError(error.errno, f"another collection is writing into {folder}") from error
    try:
        yield
    finally:
        os.close(handle)


def _summary(out: str | Path, suite: str, task: str, errors: int) -> Summary:
    info = merge(out, suite, task)
    done, failed = known(out, suite, task)
    steps = [demo.num_samples for demo in info.demos] if info else []
    return Summary(task, len(done | failed) + errors, len(done), float(np.mean(steps)) if steps else 0.0, errors)
