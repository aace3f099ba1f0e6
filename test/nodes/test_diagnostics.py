"""What a node says of itself."""

import pytest
from rclpy.node import Node

from zipmo_ros.nodes.diagnostics import StatusReport
from zipmo_ros.nodes.states import ERROR, WARN, State

pytestmark = pytest.mark.ros


class Log:
    """A logger that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(("info", text))

    def warning(self, text):
        self.lines.append(("warning", text))

    def error(self, text):
        self.lines.append(("error", text))


@pytest.fixture
def said(graph, monkeypatch):
    """(report, its log, its clock)"""
    node, log, now = graph.add(Node("reporter", **graph.options())), Log(), [100.0]
    monkeypatch.setattr(node, "get_logger", lambda: log)
    return StatusReport(node, dict, clock=lambda: now[0]), log, now


def test_numbers_in_an_event_do_not_defeat_its_rate_limit(said):
    report, log, now = said
    for count in range(200):
        report.event(f"joint_states: stamps went back from {1.5 * count:.2f} s to -{count}e-3 s; starting afresh")
    assert report.events == 200
    assert [level for level, _ in log.lines] == ["warning"]
    assert report.last_error == "joint_states: stamps went back from 298.50 s to -199e-3 s; starting afresh"
    report.event("agentview/image_raw: encoding is 'mono8'")  # of another kind
    assert len(log.lines) == 2
    now[0] += 5.0
    report.event("joint_states: stamps went back from 7.00 s to 1.00 s; starting afresh")
    assert len(log.lines) == 3


def test_a_state_is_named_and_says_what_to_do(said):
    report, log, _ = said
    cold, dark = State("cold", WARN, "put on a coat"), State("dark", ERROR)
    report.stands("weather", cold, "it is -3 degrees")
    report.stands("weather", cold, "it is -4 degrees")  # the same state: said once
    assert log.lines == [("warning", "it is -3 degrees; put on a coat")]
    assert report.states == ("cold",)
    report.stands("weather", dark, "no sun")
    assert (report.states, report.last_error) == (("dark",), "no sun")
    report.stands("weather", None)
    assert report.states == ()
    assert log.lines[1:] == [("error", "no sun"), ("info", "weather: ok again")]
