"""`zipmo say "SENTENCE"`: give a running planner its instruction, and wait until it is in use."""

from __future__ import annotations

import argparse
import os
import sys
import time


def main(argv: list[str]) -> int:
    """0 once the planner uses the sentence; 1 when there is no planner or it doesn't take it; 2 for a bad sentence."""
    parser = argparse.ArgumentParser(prog="zipmo say", description=__doc__)
    parser.add_argument("sentence", nargs="+", help="what the arm shall do")
    parser.add_argument("--namespace", default="", help="namespace of the graph")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for a planner")
    options = parser.parse_args(argv)
    sentence = " ".join(options.sentence)

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    import rclpy
    from rclpy.duration import Duration
    from rclpy.executors import ExternalShutdownException
    from std_msgs.msg import String

    from zipmo_ros.nodes.wire import topics
    from zipmo_ros.nodes.wire.messages import instruction_problem

    problem = instruction_problem(sentence)
    if problem is not None:
        print(f"zipmo say: {problem}", file=sys.stderr)
        return 2
    rclpy.init(args=[])
    node = rclpy.create_node("zipmo_say", namespace=options.namespace)
    try:
        in_use: list[str] = []
        topic = f"planner/{topics.INSTRUCTION_IN_USE}"
        node.create_subscription(String, topic, lambda message: in_use.append(message.data), topics.LATCHED)
        publisher = node.create_publisher(String, topics.INSTRUCTION, topics.LATCHED)
        deadline = time.monotonic() + options.timeout

        def wait(condition) -> bool:
            while not condition():
                if time.monotonic() > deadline:
                    return False
                rclpy.spin_once(node, timeout_sec=0.05)
            return True

        if not wait(publisher.get_subscription_count):
            domain = os.environ.get("ROS_DOMAIN_ID", "0")
            print(f"zipmo say: no planner listens to {publisher.topic_name} in ROS domain {domain}; "
                  "start one with `zipmo up sim`", file=sys.stderr)  # fmt: skip
            return 1
        publisher.publish(String(data=sentence))
        publisher.wait_for_all_acked(Duration(seconds=2))
        if not wait(lambda: sentence in in_use[-1:]):
            print(f"zipmo say: the planner did not take the sentence (is it active? see {topics.DIAGNOSTICS})",
                  file=sys.stderr)  # fmt: skip
            return 1
        print(f"in use: {sentence}")
        return 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
