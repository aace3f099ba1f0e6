"""What is shown arrives at who looks, though they are busy for a moment."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from rclpy.node import Node
from sensor_msgs.msg import Image

from zipmo_ros.nodes.wire import messages, topics

pytestmark = pytest.mark.ros

READER = f"""
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("viewer")
node.create_subscription(Image, {topics.OVERLAY!r},
                         lambda m: print(m.header.stamp.sec, flush=True), QoSProfile(depth=100))
rclpy.spin(node)
"""


@pytest.mark.parametrize(("qos", "delivered"), [(topics.OFFERED, 6), (topics.COMMAND, None)], ids=["shown", "command"])
def test_overlays_outlast_a_reader_that_stands_still(graph, qos, delivered):
    """Several of them are more than the middleware's shared memory holds; then only what can be sent again arrives.

    With a history of one, as commands have, where nothing but the newest counts, they are lost.
    """
    environment = {**os.environ, "ROS_DOMAIN_ID": str(graph.domain)}
    reader = subprocess.Popen([sys.executable, "-c", READER], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        node = graph.add(Node("planner", **graph.options()))
        publisher = node.create_publisher(Image, topics.OVERLAY, qos)
        overlay = np.zeros((256, 512, 3), np.uint8)

        def show(second):
            publisher.publish(messages.image_message(overlay, second * 10**9, "camera"))

        graph.until(publisher.get_subscription_count)
        show(0)
        assert reader.stdout.readline() == "0\n"
        reader.send_signal(signal.SIGSTOP)
        for second in range(1, 6):
            show(second)
            graph.turn(0.05)
        reader.send_signal(signal.SIGCONT)
        heard = [0]
        while heard[-1] < 5:
            heard.append(int(reader.stdout.readline()))
        assert (len(heard) == delivered) if delivered else (len(heard) < 6)
    finally:
        reader.send_signal(signal.SIGCONT)
        reader.kill()
        reader.wait()
