"""Planner, policy and simulated arm: the graph that `zipmo up sim` starts, with the same arguments.

ros2 launch zipmo_ros sim.launch.py suite:=mini mode:=realtime rviz:=true
"""

from launch import LaunchDescription
from zipmo_ros.nodes.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("sim")
