"""A graph of nodes as processes of this one: started, watched, and stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO

from zipmo_ros.nodes.graph import Graph, NodeEntry, parameters_path, remappings
from zipmo_ros.nodes.transport import transport_variables

KEPT_LINES = 30  # of each node's log, for error messages
STOP_PATIENCE = 10.0  # s that a node has to end in: on a busy machine, one with a model loaded needs several
_PR_SET_PDEATHSIG = 1


def command_line(graph: Graph, node: NodeEntry, values: Mapping[str, str]) -> list[str]:
    """What starts one node with these argument values (graph.values)."""
    words = [sys.executable, "-m", node.module, "--ros-args", "-r", f"__node:={node.name}"]
    if values["namespace"]:
        words += ["-r", f"__ns:=/{values['namespace'].strip('/')}"]
    for source, target in remappings(values):
        words += ["-r", f"{source}:={target}"]
    words += ["--params-file", str(parameters_path(node)), "--log-level", values["log_level"]]
    for name, value in graph.parameters(node, values).items():
        words += ["-p", f"{name}:={value}"]
    return words


def environment(domain: int | None = None) -> dict[str, str]:
    """Environment of the nodes: this machine only and room for images, unless the user has decided otherwise."""
    ours = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **transport_variables()}
    variables = {**ours, **os.environ, "PYTHONUNBUFFERED": "1"}
    return variables if domain is None else {**variables, "ROS_DOMAIN_ID": str(domain)}


def follow_parent() -> Callable[[], None]:
    """A process's preexec_fn: it can be interrupted, even where a script in the background started it all, whose
    children begin deaf to SIGINT; and the kernel interrupts it if its parent dies without a chance to (Linux).
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None  # looked up before the fork

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

    return prepare


class GraphProcesses:
    """One process a node, each in a session of its own, so that ctrl-C reaches them through `stop` alone.

    on_line: (node name, line of its log) -> None, called from a thread a node. Start it from a thread that lives as
    long as the graph.
    """

    def __init__(self, graph: Graph, values: Mapping[str, str], domain: int | None = None,
                 on_line: Callable[[str, str], None] | None = None):  # fmt: skip
        self._graph = graph
        self._values = values
        self._environment = environment(domain)
        self._on_line = on_line or (lambda name, line: None)
        self._readers: list[threading.Thread] = []
        self.processes: dict[str, subprocess.Popen] = {}
        self.lines: dict[str, deque[str]] = {}

    def start(self) -> None:
        """Start every node."""
        for node in self._graph.started(self._values):
            self._start(node)

    def restart(self, name: str) -> None:
        """Start a node again that has ended."""
        (node,) = [node for node in self._graph.nodes if node.name == name]
        self._start(node)

    def _start(self, node: NodeEntry) -> None:
        process = subprocess.Popen(
            command_line(self._graph, node, self._values),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment,
            start_new_session=True,
            preexec_fn=follow_parent(),
        )
        self.processes[node.name] = process
        self.lines[node.name] = deque(maxlen=KEPT_LINES)
        reader = threading.Thread(target=self._read, args=(node.name, process.stdout), daemon=True)
        reader.start()
        self._readers.append(reader)

    def ended(self) -> dict[str, int]:
        """Exit status of the nodes that are no longer running."""
        return {name: code for name, process in self.processes.items() if (code := process.poll()) is not None}

    def stop(self, patience: float = STOP_PATIENCE) -> dict[str, int]:
        """Interrupt all nodes, kill those that don't end within `patience` seconds; the exit statuses."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + patience
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(timeout=1.0)
        return self.ended()

    def _read(self, name: str, log: IO[str]) -> None:
        with log:
            for line in log:
                self.lines[name].append(line.rstrip())
                self._on_line(name, line.rstrip())
