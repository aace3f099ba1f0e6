"""One table of nodes and arguments behind `zipmo up`, the parameter files and the launch files."""

import dataclasses
import typing
from pathlib import Path

import pytest

from zipmo_ros.apps import up
from zipmo_ros.nodes.graph import ARM, GRAPHS, PLANNER, POLICY, RECORDER, SIM, parameters_path
from zipmo_ros.nodes.parameters import documented
from zipmo_ros.nodes.processes import command_line, environment
from zipmo_ros.nodes.settings import (
    ArmParameters,
    PlannerParameters,
    PolicyParameters,
    RecorderParameters,
    SimParameters,
)

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    PLANNER: PlannerParameters,
    POLICY: PolicyParameters,
    SIM: SimParameters,
    ARM: ArmParameters,
    RECORDER: RecorderParameters,
}
GRAPH = GRAPHS["sim"]


@pytest.mark.parametrize("node", SCHEMAS, ids=lambda node: node.name)
def test_a_parameter_file_documents_what_its_node_declares_and_nothing_else(node):
    """The file has the default and the help, the dataclass the type: neither repeats the other."""
    fields = {field.name: field for field in dataclasses.fields(SCHEMAS[node])}
    known = documented(parameters_path(node))
    assert set(known) == set(fields)
    hints = typing.get_type_hints(SCHEMAS[node])
    for name, (default, description) in known.items():
        assert fields[name].default is dataclasses.MISSING
        assert type(default) is hints[name], name
        assert description, name
        choices = fields[name].metadata["choices"]
        assert not choices or default in choices


def test_no_key_belongs_to_ros_and_to_the_checkpoint():
    from zipmo_policy import head as model
    from zipmo_ros.motion import config as motion

    configs = [c for m in (motion, model) for c in vars(m).values() if dataclasses.is_dataclass(c)]
    frozen = {field.name for config in configs for field in dataclasses.fields(config)}
    assert len(frozen) > 10
    ros = {field.name for schema in SCHEMAS.values() for field in dataclasses.fields(schema)}
    assert not ros & frozen


def test_arguments_set_parameters_that_exist():
    names = {node.name: {field.name for field in dataclasses.fields(schema)} for node, schema in SCHEMAS.items()}
    for argument in (argument for graph in GRAPHS.values() for argument in graph.arguments):
        assert argument.description
        assert not argument.choices or argument.default in argument.choices
        for node, parameter in argument.parameters:
            assert parameter in names[node], f"{argument.name} sets {node}'s {parameter}"


def test_executables_are_installed_under_the_names_of_the_table():
    setup = (ROOT / "setup.py").read_text()
    for node in SCHEMAS:
        assert f'"{node.executable} = {node.module}:main"' in setup


def test_command_lines():
    graph, values = up.parse(["sim", "suite=libero_goal", "mode=realtime", "checkpoint=/a b", "namespace=left"])
    lines = {node.name: command_line(graph, node, values) for node in graph.nodes}
    assert lines["planner"][1:3] == ["-m", "zipmo_ros.nodes.planner_node"]
    assert "checkpoint:=/a b" in lines["planner"]
    assert {"mode:=realtime", "__ns:=/left", "/clock:=clock"} <= set(lines["policy"])
    assert {"mode:=realtime", "suite:=libero_goal"} <= set(lines["sim"])
    assert not any(word.startswith(("task:=", "seed:=")) for word in lines["sim"])  # the parameter file's stay


def test_this_machine_only_unless_the_user_decides(monkeypatch):
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    assert environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    assert environment()["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "name a graph: sim"),
        (["nosuch"], "name a graph: sim"),
        (["sim", "suite"], "expected key=value, got 'suite'"),
        (["sim", "sweet=mini"], "no argument 'sweet'; there are checkpoint, "),
        (["sim", "mode=fast"], "mode must be one of lockstep, realtime, got 'fast'"),
    ],
)
def test_up_refuses_what_it_does_not_know(capsys, words, reason):
    assert up.main(words) == 2
    assert reason in capsys.readouterr().err


def test_help_shows_every_argument(capsys):
    assert up.main(["sim", "--help"]) == 0
    shown = capsys.readouterr().out
    for argument in GRAPH.arguments:
        assert f"  {argument.name} " in shown
        assert argument.description in shown


def test_the_arms_node_alone():
    graph, values = up.parse(["arm", "policy=none"])
    assert [node.name for node in graph.started(values)] == [ARM.name]
    graph, values = up.parse(["arm"])
    assert [node.name for node in graph.started(values)] == [PLANNER.name, POLICY.name, ARM.name]
