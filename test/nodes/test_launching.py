"""The launch files build what the table says: with `launch` where it is installed, and with stand-ins for it.

The stand-ins show that the structure is right, not that `ros2 launch` runs it.
"""

import importlib.util
import sys
from itertools import pairwise
from pathlib import Path

import launch_stand_in as stand_in
import pytest
import yaml

from zipmo_ros.apps import up
from zipmo_ros.nodes import transport
from zipmo_ros.nodes.graph import GRAPHS, POLICY, parameters_path
from zipmo_ros.nodes.processes import STOP_PATIENCE, command_line

ROOT = Path(__file__).parents[2]
FILES = [ROOT / f"launch/{name}.launch.py" for name in GRAPHS]


def graph_of(file):
    return file.name.removesuffix(".launch.py")


def description(file):
    spec = importlib.util.spec_from_file_location(f"{graph_of(file)}_launch", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def started(file, **given):
    """The nodes that a launch file starts with these arguments; needs the stand-ins."""
    values = {argument.name: argument.default for argument in GRAPHS[graph_of(file)].arguments} | given
    (nodes,) = [entity for entity in description(file).entities if isinstance(entity, stand_in.OpaqueFunction)]
    return nodes.execute(stand_in.LaunchContext(**values))


@pytest.fixture
def launch(monkeypatch):
    stand_in.install(monkeypatch)


def test_every_graph_has_a_launch_file():
    assert set((ROOT / "launch").glob("*.py")) == set(FILES)


@pytest.mark.parametrize("file", FILES, ids=graph_of)
def test_a_launch_file_declares_the_arguments_of_the_table(launch, file):
    entities = description(file).entities
    declared = {entity.name: entity for entity in entities if isinstance(entity, stand_in.DeclareLaunchArgument)}
    viewer = (ROOT / f"config/rviz/{graph_of(file)}.rviz").is_file()
    arguments = {argument.name: argument for argument in GRAPHS[graph_of(file)].arguments}
    assert set(declared) == set(arguments) | ({"rviz"} if viewer else set())
    for name, argument in arguments.items():
        told = declared[name]
        assert (told.default_value, told.description) == (argument.default, argument.description)
        assert told.choices == (argument.choices or None)


@pytest.mark.parametrize("file", FILES, ids=graph_of)
def test_ros2_launch_and_zipmo_up_start_the_same_nodes_with_the_same_parameters(launch, file):
    graph = GRAPHS[graph_of(file)]
    values = graph.values({"namespace": "left", "log_level": "debug"})
    nodes = started(file, **{name: value for name, value in values.items() if value})
    assert [node.executable for node in nodes] == [node.executable for node in graph.started(values)]
    for entry, node in zip(graph.started(values), nodes, strict=True):
        assert isinstance(node, stand_in.LifecycleNode)
        file_given, set_ones = node.parameters
        words = command_line(graph, entry, values)
        assert file_given == str(parameters_path(entry)) == words[words.index("--params-file") + 1]
        told = dict(word.split(":=") for flag, word in pairwise(words) if flag == "-p")
        assert set_ones == {name: yaml.safe_load(text) for name, text in told.items()}
        renamed = dict(word.split(":=") for flag, word in pairwise(words) if flag == "-r")
        assert renamed == {"__node": node.name, "__ns": f"/{node.namespace}", **dict(node.remappings)}
        assert node.arguments == ["--ros-args", "--log-level", "debug"]


def test_the_clock_is_the_domains_own_without_a_namespace_and_the_namespaces_within_one(launch):
    (file,) = [file for file in FILES if graph_of(file) == "sim"]
    assert all(node.remappings == [] for node in started(file))
    assert all(("/clock", "clock") in node.remappings for node in started(file, namespace="left"))


@pytest.mark.parametrize("file", FILES, ids=graph_of)
def test_a_nodes_death_ends_the_graph_unless_it_is_to_be_started_again(launch, file):
    for node in started(file):
        assert not node.respawn
        assert isinstance(node.on_exit, stand_in.Shutdown)
        assert node.name in node.on_exit.reason
        assert float(node.sigterm_timeout) == STOP_PATIENCE
    for node in started(file, on_death="respawn"):
        assert node.respawn
        assert node.respawn_delay > 0
        assert node.on_exit is None


def test_nodes_that_the_arguments_leave_out_are_not_launched(launch):
    (file,) = [file for file in FILES if graph_of(file) == "sim"]
    assert [node.name for node in started(file, policy="bc")] == [POLICY.name, "sim"]


def test_nodes_are_launched_with_room_for_images(launch, monkeypatch):
    for name in (*transport.VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(name, raising=False)
    entities = description(FILES[0]).entities
    told = {entity.name: entity.value for entity in entities if isinstance(entity, stand_in.SetEnvironmentVariable)}
    assert told == transport.transport_variables() != {}


def test_a_launch_file_that_launch_itself_reads():
    pytest.importorskip("launch_ros", reason="`launch` comes with a ROS installation, not from PyPI")
    from launch.actions import DeclareLaunchArgument

    for file in FILES:
        declared = {e.name for e in description(file).entities if isinstance(e, DeclareLaunchArgument)}
        assert declared >= {argument.name for argument in GRAPHS[graph_of(file)].arguments}


def test_the_module_behind_the_launch_files_loads_without_launch(monkeypatch):
    monkeypatch.setitem(sys.modules, "launch", None)
    monkeypatch.delitem(sys.modules, "zipmo_ros.nodes.launching", raising=False)
    importlib.import_module("zipmo_ros.nodes.launching")


def test_help_of_up_tells_what_a_death_means(capsys):
    for name in GRAPHS:
        assert up.main([name, "--help"]) == 0
        assert "on_death" in capsys.readouterr().out
