"""Kinds of faults, when a hand has stopped, and what is told of many injections."""

import dataclasses
import random

import numpy as np
import pytest

from zipmo_ros.evaluation.faults.drill import draw, inject
from zipmo_ros.evaluation.faults.findings import Finding, of_kind, read_finding, summary
from zipmo_ros.evaluation.faults.kinds import BY_NAME, KINDS, NOT_INJECTED, REACTION_S, Kind, of_rig
from zipmo_ros.evaluation.faults.measures import metres_after, metres_off, stop_s
from zipmo_ros.evaluation.faults.telling import COLUMNS, headline, rows
from zipmo_ros.evaluation.journal import Journal
from zipmo_ros.runtime.causes import CAUSES

PERIOD = 0.05
TIMEOUTS = {"plan": 0.4, "replan": 0.1, "command": 0.3, "joints": 0.4, "hand": 0.2, "deadman": 0.2, "picture": 0.5}
STOPPED = Finding(0, "emergency stop", "pose", stop_s=0.1, said_s=0.02, braked_s=0.05, stops={"arm": ["e-stop"]},
                  recovery_s=0.5)  # fmt: skip


def path(speeds, period=0.01):
    """Along x with one speed (m/s) a period."""
    times = period * np.arange(len(speeds) + 1)
    places = np.concatenate([[0], np.cumsum(np.array(speeds) * period)])
    return np.stack([times, places, 0 * places, 0 * places], axis=1)


def test_every_cause_is_brought_about_or_said_why_not():
    brought = {cause for kind in KINDS for cause in kind.causes}
    assert brought <= set(CAUSES)
    assert set(NOT_INJECTED) == set(CAUSES) - brought


def test_there_are_enough_kinds_and_each_has_a_way_to_bring_it_about():
    assert len(of_rig("arm")) >= 25
    assert len(of_rig("sim")) >= 25
    assert len(BY_NAME) == len(KINDS)
    pytest.importorskip("rclpy", reason="the ways are over the wire")
    from zipmo_ros.nodes.faults.injections import INJECTIONS

    assert set(INJECTIONS) == set(BY_NAME)


def test_timeouts_are_those_that_kinds_wait_for():
    pytest.importorskip("rclpy", reason="the nodes' parameters")
    from zipmo_ros.nodes.faults.timeouts import in_force

    assert set(in_force("arm", {})) == set(TIMEOUTS) >= {name for kind in KINDS for name in kind.waits}
    assert in_force("arm", {("arm", "command_timeout"): "0.1"})["command"] == 0.1
    assert in_force("sim", {("arm", "command_timeout"): "0.1"})["command"] != 0.1


def test_kinds_are_chosen_by_name_or_group():
    assert [kind.name for kind in of_rig("arm", ("pose frozen",))] == ["pose frozen"]
    assert {kind.group for kind in of_rig("sim", ("plans", "people"))} == {"plans", "people"}
    with pytest.raises(ValueError, match="no kind of faults is called 'gremlins'"):
        of_rig("arm", ("gremlins",))
    with pytest.raises(ValueError, match="only a stop has causes"):
        Kind("x", "plans", "go on", ("e-stop",))
    (kind,) = of_rig("sim", ("command NaN",))  # the simulator drops it
    assert kind.wait_s(TIMEOUTS) == 0.3
    assert BY_NAME["command NaN"].budget_s(TIMEOUTS, PERIOD) == REACTION_S + PERIOD


def test_draws_cover_all_kinds_and_repeat():
    kinds = of_rig("arm")
    drawn = draw(kinds, ("pose", "twist"), 2 * len(kinds) + 1, 3)
    assert drawn == draw(kinds, ("pose", "twist"), 2 * len(kinds) + 1, 3)
    assert drawn != draw(kinds, ("pose", "twist"), 2 * len(kinds) + 1, 4)
    assert [injection.number for injection in drawn] == list(range(len(drawn)))
    assert {i.kind.name for i in drawn if i.setting == "twist"} == {kind.name for kind in kinds}


def test_when_a_hand_has_stopped():
    assert stop_s(path([0.2] * 10 + [0] * 40), 0.05) == pytest.approx(0.05)
    assert stop_s(path([0.2] * 30), 0.05) is None
    turns = [0.2] * 10 + [0] * 10 + [-0.2] * 10 + [0] * 40  # a pause that is too short is none
    assert stop_s(path(turns), 0.0) == pytest.approx(0.3)
    again = [0.2] * 10 + [0] * 40 + [0.2] * 10
    assert stop_s(path(again), 0.0) == pytest.approx(0.1)
    assert metres_off(path(again), 0.3) == pytest.approx(0.02)
    creeps = [0.2] * 10 + [0.01] * 50
    assert stop_s(path(creeps), 0.0) is None
    assert stop_s(path(creeps), 0.0, 0.02) == pytest.approx(0.1)


def test_how_far_a_hand_came():
    sways = path([0.1] * 10 + [-0.1] * 10)
    assert metres_after(sways, 0.0) == pytest.approx(0.02)
    assert metres_off(sways, 0.0) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"after_m": 0.03}, "unsafe: 3.0 cm"),
        ({"again_m": 0.01}, "moved again by 1.0 cm"),
        ({"stops": {"policy": ["jump"]}}, "stopped by jump, not e-stop"),
        ({"stops": {}}, "stopped by nothing, not e-stop"),
        ({"recovery_s": None}, "did not move again"),
        ({"kind": "new sentence", "moved_on": True}, "stopped by e-stop"),
        ({"kind": "new sentence", "stops": {}}, "stands still"),
        ({"kind": "new sentence", "stops": {}, "moved_on": True, "after_m": 0.5}, None),
        ({"kind": "arm node killed", "stops": {}, "after_m": 0.5}, None),
        ({"kind": "processor busy", "after_m": 0.5}, "unsafe: 50.0 cm"),  # it did stop the arm
        ({"kind": "arm node terminated", "stops": {}}, None),  # it says nothing any more
    ],
)
def test_what_is_not_as_it_must_be(changes, problem):
    found = dataclasses.replace(STOPPED, **changes).problems
    assert problem in found[0] if problem else not found


def test_figures_and_table():
    findings = [dataclasses.replace(STOPPED, number=n, braked_s=0.01 * n, after_m=0.05 * (n == 5)) for n in range(101)]
    total = summary(findings)
    assert (total["injections"], total["unsafe"], total["not_as_expected"]) == (101, 1, 1)
    assert total["told_braked_s"] == pytest.approx({"p50": 0.5, "p99": 0.99, "max": 1.0})
    late = [dataclasses.replace(STOPPED, kind="planner killed", wait_s=0.4, braked_s=0.5)]
    assert summary(late)["braked_s"]["max"] == pytest.approx(0.1)
    assert summary(late)["told_braked_s"] is None
    kind = of_kind(findings)
    assert kind["causes"] == {"arm: e-stop": 101}
    (row,) = rows([kind])
    assert len(row) == len(COLUMNS)
    assert row[:3] == ["emergency stop", "stop", "100 / 101"]
    assert "101 injections, 1 unsafe" in headline({"summary": total})


def test_findings_outlast_the_command(tmp_path):
    with Journal(tmp_path / "f.jsonl", {"seed": "0"}, read=read_finding) as journal:
        journal.append(STOPPED)
    with Journal(tmp_path / "f.jsonl", {"seed": "0"}, read=read_finding) as journal:
        assert journal.done == {0: STOPPED}


class StillRig:
    """A hand that stops when a fault begins, in no time at all; clock: of all that it does."""

    def __init__(self, monkeypatch, moves_again):
        self.now, self.began, self.stops, self.moves_again, self.faulty, self.faults = (
            100.0,
            0.0,
            {},
            moves_again,
            False,
            0,
        )
        self.samples = []
        monkeypatch.setattr("zipmo_ros.evaluation.faults.drill.time.monotonic", lambda: self.now)

    def recover(self):
        self.faulty = False
        self.turn(0.2)

    def mark(self):
        self.began = self.now
        self.stops.clear()

    def turn(self, seconds):
        for _ in range(round(seconds / 0.01)):
            self.now += 0.01
            x = self.samples[-1][1] if self.samples else 0.0
            self.samples.append([self.now, x if self.faulty else x + 0.002, 0.0, 0.0])

    def until(self, condition, timeout):
        end = self.now + timeout
        while not condition() and self.now < end:
            self.turn(0.01)

    def path(self, since):
        rows = [row for row in self.samples if row[0] > since - 0.01]
        return np.array(rows).reshape(-1, 4)

    def stop(self, rig, rng):
        self.faulty = True
        self.stops["arm"] = {"e-stop": self.now}
        return self.lift

    def lift(self):
        self.faulty = not self.moves_again


@pytest.mark.parametrize("moves_again", [False, True])
def test_an_injection_finds_whether_a_stop_lasts(monkeypatch, moves_again):
    rig = StillRig(monkeypatch, moves_again)
    (injection,) = draw([BY_NAME["emergency stop"]], ("pose",), 1, random.randrange(100))
    finding = inject(rig, injection, rig.stop, TIMEOUTS, PERIOD)
    assert finding.speed == pytest.approx(0.2)
    assert finding.stop_s == pytest.approx(0.0, abs=0.02)
    assert finding.unsafe == moves_again
    assert bool(finding.problems) == moves_again
