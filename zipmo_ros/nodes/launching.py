"""A graph of the table as `ros2 launch` has it: `launch` comes with a ROS installation and is imported when called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from zipmo_ros.contract.share import share_path
from zipmo_ros.nodes.graph import GRAPHS, Graph, parameters_path, remappings
from zipmo_ros.nodes.processes import STOP_PATIENCE
from zipmo_ros.nodes.transport import transport_variables

if TYPE_CHECKING:
    from launch import LaunchContext, LaunchDescription

RESPAWN_DELAY = 2.0  # s


def describe(name: str) -> LaunchDescription:
    """GRAPHS[name]: its arguments, its nodes, and an RViz where config/rviz has a view of that name."""
    from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable

    from launch import LaunchDescription

    graph = GRAPHS[name]
    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=argument.choices or None,
        )
        for argument in graph.arguments
    ]
    variables = [SetEnvironmentVariable(variable, value) for variable, value in transport_variables().items()]
    nodes = OpaqueFunction(function=lambda context: _nodes(graph, context))
    return LaunchDescription([*declared, *_viewer(name), *variables, nodes])


def _nodes(graph: Graph, context: LaunchContext) -> list[Any]:
    """The nodes of the table; an argument that is empty leaves the parameter file's value alone."""
    from launch.actions import Shutdown
    from launch.substitutions import LaunchConfiguration
    from launch_ros.actions import LifecycleNode

    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in graph.arguments}
    values = graph.values(given)
    respawn = values["on_death"] == "respawn"
    return [
        LifecycleNode(
            package="zipmo_ros",
            executable=node.executable,
            name=node.name,
            namespace=values["namespace"],
            parameters=[
                str(parameters_path(node)),
                {name: yaml.safe_load(value) for name, value in graph.parameters(node, values).items()},
            ],
            remappings=remappings(values),
            arguments=["--ros-args", "--log-level", values["log_level"]],
            respawn=respawn,
            respawn_delay=RESPAWN_DELAY,
            sigterm_timeout=str(STOP_PATIENCE),
            on_exit=None if respawn else Shutdown(reason=f"node '{node.name}' ended"),
            output="screen",
            emulate_tty=True,
        )
        for node in graph.started(values)
    ]


def _viewer(name: str) -> list[Any]:
    """The argument `rviz` and what it starts, for a graph that has a view of its own."""
    from launch.actions import DeclareLaunchArgument
    from launch.conditions import IfCondition
    from launch.substitutions import LaunchConfiguration
    from launch_ros.actions import Node

    try:
        view = share_path(f"config/rviz/{name}.rviz")
    except FileNotFoundError:
        return []
    description = "show the cameras and the planned motion in RViz"
    wanted = LaunchConfiguration("rviz")
    return [
        DeclareLaunchArgument("rviz", default_value="false", choices=["true", "false"], description=description),
        Node(
            package="rviz2",
            executable="rviz2",
            namespace=LaunchConfiguration("namespace"),
            arguments=["-d", str(view)],
            condition=IfCondition(wanted),
        ),
    ]
