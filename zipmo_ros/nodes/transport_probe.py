"""Camera images from one process to another as the nodes send them: how many arrive, and after how long."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zipmo_ros.nodes.processes import environment
from zipmo_ros.nodes.transport import VARIABLES, transport_variables

DISCOVERY = 10.0  # s until the two processes must have found each other
LAST = 1.0  # s that the last image may take
TOPIC = "transport_probe/image_raw"


@dataclass(frozen=True)
class ImageStream:
    """Images of height x width rgb8 at `rate_hz`, `count` of them."""

    width: int
    height: int
    rate_hz: float
    count: int


def measure(stream: ImageStream, profile: bool, domain: int) -> dict[str, Any]:
    """Send the stream between two processes, with the profile of shared memory or with Fast DDS's own defaults.

    -> sent, arrived, and p50_ms, p99_ms, max_ms from before publishing until the callback has the message (None where
    nothing arrived). Raises RuntimeError when a process fails.
    """
    variables = {name: text for name, text in environment(domain).items() if name not in VARIABLES}
    if profile:
        variables |= transport_variables()
    words = [sys.executable, "-m", __name__, json.dumps(asdict(stream))]
    sides = [
        subprocess.Popen([*words, side], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for side in ("receive", "send")
    ]
    patience = DISCOVERY + LAST + stream.count / stream.rate_hz + 30
    try:
        (received, problem), (_, others) = (side.communicate(timeout=patience) for side in sides)
    finally:
        for side in sides:
            side.kill()
            side.wait()
    if any(side.returncode for side in sides):
        raise RuntimeError(f"the images could not be sent: {(problem + others).strip()[-500:]}")
    latencies = json.loads(received)
    keys = {"p50_ms": 50, "p99_ms": 99, "max_ms": 100}
    times = {key: round(float(np.percentile(latencies, q)), 3) if latencies else None for key, q in keys.items()}
    return {"sent": stream.count, "arrived": len(latencies), **times}


def _send(stream: ImageStream) -> None:
    """Publish at the stream's rate once somebody listens; the stamp is the steady clock, which processes share."""
    from zipmo_ros.nodes.wire import messages, topics

    node, turn = _node("sender")
    publisher = node.create_publisher(_image_type(), TOPIC, topics.SENSOR)
    _until(turn, publisher.get_subscription_count)
    picture = np.random.default_rng(0).integers(0, 256, (stream.height, stream.width, 3), dtype=np.uint8)
    message = messages.image_message(picture, 0, "camera")
    next_at = time.monotonic()
    for _ in range(stream.count):
        time.sleep(max(0.0, next_at - time.monotonic()))
        next_at += 1 / stream.rate_hz
        message.header.stamp = messages.to_stamp(time.monotonic_ns())
        publisher.publish(message)
    time.sleep(LAST)  # leave nothing behind in a queue


def _receive(stream: ImageStream) -> None:
    """Print how many ms each image took, as JSON, once the sender is gone."""
    from zipmo_ros.nodes.wire import messages, topics

    node, turn = _node("receiver")
    latencies: list[float] = []

    def take(message: Any) -> None:
        latencies.append((time.monotonic_ns() - messages.to_ns(message.header.stamp)) / 1e6)

    node.create_subscription(_image_type(), TOPIC, take, topics.SENSOR)
    _until(turn, lambda: node.count_publishers(TOPIC))
    end = time.monotonic() + stream.count / stream.rate_hz + LAST + 5
    while len(latencies) < stream.count and node.count_publishers(TOPIC) and time.monotonic() < end:
        turn()
    sys.stdout.write(json.dumps(latencies))


def _image_type() -> type:
    from sensor_msgs.msg import Image

    return Image


def _node(name: str) -> Any:
    import rclpy

    rclpy.init()
    node = rclpy.create_node(name)
    return node, lambda: rclpy.spin_once(node, timeout_sec=0.1)


def _until(turn: Any, condition: Any) -> None:
    deadline = time.monotonic() + DISCOVERY
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the two processes did not find each other")
        turn()


if __name__ == "__main__":
    chosen = ImageStream(**json.loads(sys.argv[1]))
    {"send": _send, "receive": _receive}[sys.argv[2]](chosen)
