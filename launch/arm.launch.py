"""Planner, policy and arm node: the graph that `zipmo up arm` starts, with the same arguments.

ros2 launch zipmo_ros arm.launch.py robot:=fr3 checkpoint:=/path/to/bundle
"""

from launch import LaunchDescription
from zipmo_ros.nodes.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("arm")
