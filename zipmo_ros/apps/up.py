"""`zipmo up GRAPH [key=value ...]`: start a graph of nodes; ctrl-C ends all of them."""

from __future__ import annotations

import signal
import sys
import threading

from zipmo_ros.nodes.graph import GRAPHS, Graph
from zipmo_ros.nodes.processes import GraphProcesses
from zipmo_ros.nodes.respawn import Respawn


def usage(name: str, graph: Graph) -> str:
    """The arguments of a graph, a line each."""
    lines = [f"usage: zipmo up {name} [key=value ...]", "", graph.description, ""]
    for argument in graph.arguments:
        default = f" [{argument.default}]" if argument.default else ""
        choices = f" ({', '.join(filter(None, argument.choices))})" if argument.choices else ""
        lines.append(f"  {argument.name:<21} {argument.description}{choices}{default}")
    return "\n".join([*lines, "", 'Other parameters: config/ros/*.yaml. Tell the arm what to do: zipmo say "..."'])


def parse(argv: list[str]) -> tuple[Graph, dict[str, str]]:
    """The graph and all its argument values. Raises ValueError for anything unknown."""
    if not argv or argv[0] not in GRAPHS:
        raise ValueError(f"name a graph: {', '.join(GRAPHS)}")
    given = {}
    for word in argv[1:]:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"expected key=value, got '{word}'")
        given[name] = value
    graph = GRAPHS[argv[0]]
    return graph, graph.values(given)


def run(graph: Graph, values: dict[str, str]) -> int:
    """Run until interrupted (0) or, with on_death=end, until a node ends by itself (its status, at least 1)."""
    interrupted = threading.Event()
    before = {number: signal.signal(number, lambda *_: interrupted.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    processes = GraphProcesses(graph, values, on_line=lambda name, line: print(f"[{name}] {line}", flush=True))
    try:
        processes.start()
        ended = watch(processes, interrupted, values["on_death"] == "respawn")
    finally:
        processes.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    if ended is None:
        return 0
    name, code = ended
    print(f"zipmo up: node '{name}' ended with status {code}; the others were stopped", file=sys.stderr)
    return max(1, abs(code))


def watch(processes: GraphProcesses, interrupted: threading.Event, respawn: bool) -> tuple[str, int] | None:
    """Wait until interrupted (None) or until a node ends (its name and status). respawn: start that again instead."""
    lives = {name: Respawn() for name in processes.processes}
    told: dict[str, int] = {}  # status of the nodes that wait for their next life
    while not interrupted.wait(0.2):
        for name, code in processes.ended().items():
            if not respawn:
                return name, code
            if lives[name].due():
                del told[name]
                processes.restart(name)
            elif name not in told:
                told[name] = code
                again = f"started again in {lives[name].wait:g} s"
                print(f"zipmo up: node '{name}' ended with status {code}; {again}", file=sys.stderr, flush=True)
    return None


def main(argv: list[str]) -> int:
    if {"-h", "--help"} & set(argv):
        names = [word for word in argv if word in GRAPHS] or list(GRAPHS)
        print("\n\n".join(usage(name, GRAPHS[name]) for name in names))
        return 0
    try:
        graph, values = parse(argv)
    except ValueError as error:
        print(f"zipmo up: {error}", file=sys.stderr)
        return 2
    return run(graph, values)
