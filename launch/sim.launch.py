"""Planner, policy and simulated arm: the graph that `zipmo up sim` starts, with the same arguments.

ros2 launch zipmo_ros sim.launch.py suite:=mini mode:=realtime rviz:=true
"""

import yaml
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from zipmo_ros.contract.share import share_path
from zipmo_ros.nodes.graph import GRAPHS, parameters_path

GRAPH = GRAPHS["sim"]


def start_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes of the table; an argument that is empty leaves the parameter file's value alone."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in GRAPH.arguments}
    values = GRAPH.values(given)
    return [
        LifecycleNode(
            package="zipmo_ros",
            executable=node.executable,
            name=node.name,
            namespace=values["namespace"],
            parameters=[
                str(parameters_path(node)),
                {name: yaml.safe_load(value) for name, value in GRAPH.parameters(node, values).items()},
            ],
            arguments=["--ros-args", "--log-level", values["log_level"]],
            output="screen",
            emulate_tty=True,
        )
        for node in GRAPH.started(values)
    ]


def generate_launch_description() -> LaunchDescription:
    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=argument.choices or None,
        )
        for argument in GRAPH.arguments
    ]
    rviz = DeclareLaunchArgument(
        "rviz", default_value="false", choices=["true", "false"], description="show both cameras and the planned motion"
    )
    viewer = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", str(share_path("config/rviz/sim.rviz"))],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return LaunchDescription([*declared, rviz, OpaqueFunction(function=start_nodes), viewer])
