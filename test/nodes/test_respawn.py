"""What a node's death means to `zipmo up`: all end, or that node is started again."""

import os
import signal
import threading

import pytest
from test_processes import stub_graph  # noqa: F401  (a fixture)

from zipmo_ros.apps import up
from zipmo_ros.nodes.processes import GraphProcesses
from zipmo_ros.nodes.respawn import Respawn


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def wait_for_due(respawn, clock, step=0.5):
    since = clock.now
    while not respawn.due():
        clock.now += step
        assert clock.now < since + 100
    return clock.now - since


def test_the_wait_doubles_with_every_early_death_and_a_long_life_forgets():
    clock = Clock()
    respawn = Respawn(clock=clock)
    waits = []
    for _ in range(7):
        clock.now += 0.5  # of life
        waits.append(wait_for_due(respawn, clock))
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    clock.now += 61
    assert wait_for_due(respawn, clock) == 1


class Fake:
    """Processes of which b dies once and a never."""

    def __init__(self, deaths):
        self.processes, self.deaths, self.restarted = {"a": None, "b": None}, list(deaths), []

    def ended(self):
        return {"b": self.deaths[0]} if self.deaths else {}

    def restart(self, name):
        self.restarted.append(name)
        self.deaths.pop(0)


class Turns(threading.Event):
    """Interrupted after so many looks."""

    def __init__(self, looks):
        super().__init__()
        self.left = looks

    def wait(self, timeout=None):
        self.left -= 1
        return self.left < 0


def test_the_first_death_ends_the_graph():
    assert up.watch(Fake([-9]), Turns(5), respawn=False) == ("b", -9)
    assert up.watch(Fake([]), Turns(5), respawn=False) is None


def test_a_dead_node_is_started_again_and_told_once(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(up, "Respawn", lambda: Respawn(clock=clock))
    turns = Turns(20)
    waited = turns.wait

    def wait(timeout=None):
        clock.now += timeout
        return waited()

    turns.wait = wait
    processes = Fake([1, -9])
    assert up.watch(processes, turns, respawn=True) is None
    assert processes.restarted == ["b", "b"]
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "zipmo up: node 'b' ended with status 1; started again in 1 s",
        "zipmo up: node 'b' ended with status -9; started again in 2 s",
    ]


@pytest.mark.ros
def test_a_killed_node_lives_again(stub_graph, fresh_domain):  # noqa: F811
    heard = {name: [] for name in ("planner", "policy", "sim")}
    values = stub_graph.values({"checkpoint": "stub", "task": "endless", "on_death": "respawn"})
    processes = GraphProcesses(stub_graph, values, fresh_domain(), lambda name, line: heard[name].append(line))
    interrupted = threading.Event()

    def active(name):
        return sum("active with" in line for line in heard[name])

    class Killer(threading.Thread):
        """Kills the policy once all are there, and interrupts once it is there again."""

        def run(self):
            if self.until(lambda: all(map(active, heard))):
                os.kill(processes.processes["policy"].pid, signal.SIGKILL)
                self.until(lambda: active("policy") == 2)
            interrupted.set()

        def until(self, condition):
            for _ in range(600):
                if condition():
                    return True
                threading.Event().wait(0.1)
            return False

    processes.start()
    try:
        killer = Killer(daemon=True)
        killer.start()
        assert up.watch(processes, interrupted, respawn=True) is None
        killer.join()
    finally:
        ended = processes.stop()
    assert {name: active(name) for name in heard} == {"planner": 1, "policy": 2, "sim": 1}, heard
    assert ended == {"planner": 0, "policy": 0, "sim": 0}
