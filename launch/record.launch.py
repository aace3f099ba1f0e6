"""The recorder beside a graph that runs: what `zipmo up record` starts, with the same arguments.

ros2 launch zipmo_ros record.launch.py namespace:=left
"""

from launch import LaunchDescription
from zipmo_ros.nodes.launching import describe


def generate_launch_description() -> LaunchDescription:
    return describe("record")
