"""Workers on the machines of a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zipmo_ros.evaluation.places import GRACE, LostError, Place, Serve
from zipmo_ros.evaluation.processes import Processes
from zipmo_sim.suites.libero.assets import ASSETS_VARIABLE

AUTO = "auto"
# What workers take from the environment of the command; all else is their machine's own.
INHERITED = ("OMP_NUM_THREADS", "MUJOCO_GL", "PYOPENGL_PLATFORM")
INHERITED_PATHS = ("PYTHONPATH", ASSETS_VARIABLE)


@contextlib.contextmanager
def place_for(ray: str | None) -> Iterator[Place]:
    """Where workers live, as a context: None: on this machine; "auto": on a Ray cluster that this machine belongs to,
    else one that is started on it; or on that of an address.

    Raises ValueError without Ray, or without a cluster at the address.
    """
    if ray is None:
        yield Processes()
        return
    cluster = RayCluster(ray)
    try:
        yield cluster
    finally:
        cluster.close()


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """INHERITED as they are, and INHERITED_PATHS absolute: workers have another working directory."""
    paths = {
        name: os.pathsep.join(os.path.abspath(Path(path).expanduser()) for path in environment[name].split(os.pathsep))
        for name in INHERITED_PATHS
        if environment.get(name)
    }
    return {name: environment[name] for name in INHERITED if name in environment} | paths


class RayCluster:
    """A Place. An actor a worker, with a CPU of its own; they spread over the machines."""

    def __init__(self, address: str):
        try:
            import ray
        except ImportError as error:
            raise ValueError(f"ray={address} needs Ray: pip install 'zipmo_ros[cluster]' ({error})") from error
        self._ray = ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here tells nobody
        if not ray.is_initialized():
            try:
                ray.init(
                    address=None if address == AUTO else address, logging_level=logging.ERROR, include_dashboard=False
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ValueError(f"no Ray cluster at {address}: {error}") from error
        environment = {"env_vars": inherited(os.environ)}
        self._server = ray.remote(num_cpus=1, scheduling_strategy="SPREAD", runtime_env=environment)(Server)

    def room(self, wanted: int) -> int:
        return max(1, min(wanted, int(self._ray.cluster_resources().get("CPU", 0))))

    def start(self, serve: Serve, group: str, arguments: tuple) -> Actor:
        return Actor(self._ray, self._server.remote(serve, group, arguments))

    def wait(self, workers: Sequence[Actor]) -> list[Actor]:
        ready, _ = self._ray.wait([worker.answer for worker in workers])
        return [worker for worker in workers if worker.answer in ready]

    def end(self, workers: Sequence[Actor]) -> None:
        for worker in workers:
            self._ray.kill(worker.server)

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        self._ray.shutdown()


class Actor:
    """A PoolWorker (places.py)."""

    def __init__(self, ray: Any, server: Any):
        self._ray, self.server = ray, server
        self.answer: Any = None
        self._machines = self._alive()

    def give(self, job: Any) -> None:
        self.answer = self.server.do.remote(job)

    def take(self) -> Any:
        try:
            return self._ray.get(self.answer)
        except self._ray.exceptions.RayError as error:
            raise LostError(str(error), with_machine=bool(self._machines - self._alive())) from error

    def part(self) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):  # it may be gone
            self._ray.get(self.server.end.remote(), timeout=GRACE)
        self._ray.kill(self.server)

    def _alive(self) -> set[str]:
        return {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}


class Server:
    """What runs in an actor's process: `serve` in one thread for as long as the group has jobs, since it asks for its
    jobs where Ray would call with them, and what it builds (an OpenGL context) belongs to a thread.
    """

    def __init__(self, serve: Serve, group: str, arguments: tuple):
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(serve, group, arguments), daemon=True)
        self._thread.start()

    def do(self, job: Any) -> Any:
        """The outcome of a job. Raises RuntimeError where `serve` broke instead of answering."""
        self._jobs.put(job)
        answered, outcome = self._answers.get()
        if not answered:
            raise RuntimeError(outcome)
        return outcome

    def end(self) -> None:
        """Have `serve` put away what it has built."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self, serve: Serve, group: str, arguments: tuple) -> None:
        try:
            serve(group, iter(self._jobs.get, None), lambda outcome: self._answers.put((True, outcome)), *arguments)
        except BaseException:  # the next call tells it, and so ends the actor
            traceback.print_exc()
            self._answers.put((False, traceback.format_exc()))
