"""`zipmo train all`: a bundle from nothing, as a recipe says."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tqdm import tqdm

from zipmo_ros.apps.configuration import Count, Seed, load
from zipmo_ros.training.recipe import OUT, Job, TrainingRecipe

INTERRUPTED = 143


@dataclass(frozen=True)
class TrainAllRequest:
    """Keys of config/hydra/train_all.yaml."""

    recipe: str
    out: Path | None
    seed: Seed | None
    reuse: Path | None
    workers: Count


def main(argv: list[str]) -> int:
    """0 when the bundle is there, 1 when a command failed, 2 for a wrong request, 143 when terminated (resumable)."""
    try:
        request = load("train_all", argv, TrainAllRequest)
        recipe = TrainingRecipe.load(request.recipe)
        jobs = recipe.jobs(request.seed)
        out = request.out or Path("runs") / Path(request.recipe).stem
        with _locked(out) as lock:
            if request.reuse:
                _take(out, jobs, request.reuse)
            failed = _Making(out, jobs, request.workers, lock).run()
            if failed is None:
                print(f"written to {_bundle(out, recipe, jobs)}")
    except (ValueError, FileNotFoundError, BlockingIOError) as error:
        print(f"zipmo train all: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one was", file=sys.stderr)
        return INTERRUPTED
    if failed:
        job, status = failed
        print(f"zipmo train all: '{job.name}' ended with status {status}, see {_log(out, job)}", file=sys.stderr)
    return int(failed is not None)


class _Making:
    """Runs the jobs that are not done, each in a process with a log of its own, and tells how far they are."""

    def __init__(self, out: Path, jobs: list[Job], workers: int, lock: IO) -> None:
        self.out, self.jobs, self.workers, self.lock = out, jobs, workers, lock
        self.began: dict[str, float] = {}

    def run(self) -> tuple[Job, int] | None:
        """The first job that failed and its status, or None. Raises KeyboardInterrupt on SIGTERM, too."""
        from zipmo_ros.training.schedule import run_all

        left = [job for job in self.jobs if not _done(self.out, job)]
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with tqdm(total=len(self.jobs), initial=len(self.jobs) - len(left), unit="job", mininterval=5) as self.bar:
                return run_all(left, self.workers, self.start, self.ended, self.watch, signal.SIGINT)
        finally:
            signal.signal(signal.SIGTERM, before)

    def start(self, job: Job) -> subprocess.Popen:
        from zipmo_ros.nodes.processes import follow_parent

        command = _command(job, self.out)
        self.began[job.name] = time.monotonic()
        self.bar.write(f"{job.name}: zipmo {' '.join(command)}")
        line = [sys.executable, *_launcher(job, self.workers), "-m", "zipmo_ros.apps.cli", *command]
        spread = [f"workers={self.workers}"] if job.words[0] == "collect" else []
        with _log(self.out, job).open("ab") as log:
            # The lock goes with it, so that nobody else writes here while it lives.
            return subprocess.Popen([*line, *spread], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    start_new_session=True, preexec_fn=follow_parent(),
                                    pass_fds=[self.lock.fileno()])  # fmt: skip

    def ended(self, job: Job) -> None:
        from zipmo_ros.motion.checkpoint import write_atomically
        from zipmo_ros.training.run import source_commit

        minutes = round((time.monotonic() - self.began[job.name]) / 60, 2)  # since it was last started
        facts = {"digest": job.digest, "command": f"zipmo {' '.join(job.words)}", "commit": source_commit(),
                 "minutes": minutes}  # fmt: skip
        write_atomically(_record(self.out, job), json.dumps(facts, indent=1).encode())
        self.bar.update()
        self.bar.write(f"{job.name}: done, {minutes} min; {_tail(_log(self.out, job))[-1]}")

    def watch(self, running: list[Job]) -> None:
        self.bar.set_postfix_str(", ".join(f"{job.name} {self.progress(job)}" for job in running), refresh=False)
        self.bar.update(0)

    def progress(self, job: Job) -> str:
        """The newest of its own progress bar: "120/9000 [01:20<1:38:40, 1.5step/s]"."""
        bars = re.findall(r"\d+/\d+ \[[^\]]*\]?", "\n".join(_tail(_log(self.out, job))))
        return bars[-1] if bars else "..."


def _take(out: Path, jobs: list[Job], other: Path) -> None:
    """Link to what the run in another folder has made by the same commands, where nothing is here yet."""
    if not (other / "done").is_dir():
        raise FileNotFoundError(f"reuse={other} is no folder of `zipmo train all`")
    for job in jobs:
        here, there = (Path(job.out.replace(OUT, str(folder))) for folder in (out, other))
        if not here.exists() and _done(other, job):
            here.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(there.resolve())
            shutil.copyfile(_record(other, job), _record(out, job))
    if not (out / "cache").exists():
        (out / "cache").symlink_to((other / "cache").resolve())


def _done(out: Path, job: Job) -> bool:
    record = _record(out, job)
    return record.exists() and json.loads(record.read_text())["digest"] == job.digest


def _command(job: Job, out: Path) -> list[str]:
    return [word.replace(OUT, str(out)) for word in job.words]


def _launcher(job: Job, workers: int) -> list[str]:
    """What of Python starts it: torchrun, if several workers can share its batches evenly."""
    processes = max(number for number in range(1, workers + 1) if job.shards % number == 0)
    if processes == 1:
        return []
    return ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]


def _record(out: Path, job: Job) -> Path:
    return out / "done" / f"{job.name.replace(' ', '-')}.json"


def _log(out: Path, job: Job) -> Path:
    return out / "log" / f"{job.name.replace(' ', '-')}.log"


def _tail(log: Path) -> list[str]:
    """Lines, and states of progress bars, at the end of a log; one at least."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        text = file.read().decode(errors="replace")
    return [line for line in re.split(r"[\r\n]+", text) if line] or [""]


@contextmanager
def _locked(out: Path) -> Iterator[IO]:
    """Nobody else makes anything in this folder. Raises BlockingIOError."""
    for folder in ("done", "log"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(
                error.errno, f"another command, or what it has started, is at work in {out}"
            ) from error
        yield lock


def _bundle(out: Path, recipe: TrainingRecipe, jobs: list[Job]) -> Path:
    """Put the parts side by side, with what the card has to say of them."""
    from zipmo_ros.evaluation.origin import origin
    from zipmo_ros.motion.checkpoint import FILES, content_hash, read_description, write_atomically

    bundle, parts = out / "bundle", {}
    for part, folder in recipe.parts(jobs).items():
        source = Path(folder.replace(OUT, str(out)))
        (bundle / part).mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(source / name, bundle / part / name)
        told = ("seed", "commit", "rephrasings", "data_hash", "demonstrations", "sources", "step", "minutes")
        meta = read_description(source)["meta"]
        parts[part] = {"hash": content_hash(source), **{key: meta[key] for key in told}}
    records = {job.name: json.loads(_record(out, job).read_text()) for job in jobs}
    card = {"hash": content_hash(bundle), "recipe": asdict(recipe), "parts": parts, "jobs": records, **origin()}
    write_atomically(bundle / "recipe.json", json.dumps(card, indent=1).encode())
    return bundle
