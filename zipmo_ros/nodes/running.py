"""A node as a process: it turns until a signal, and whatever it commands has stopped before it ends."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from zipmo_ros.nodes.managed import ManagedNode, StartError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGNAL_POLL_S = 0.04  # until a signal is seen: Python sees none while the middleware waits


def run(make: Callable[[], ManagedNode], args: list[str] | None = None) -> NoReturn:
    """Spin one node until it is interrupted, and end the process: with 0 then, with 1 when it could not start or broke.

    It ends at once, and the system frees what it had: an interpreter with torch takes seconds over that (3 to 5 s on a
    busy machine, where `ros2 launch` kills after 5 s), and aborts while a worker sits in native code. rclpy's own
    handlers end the context at once, and with it the chance to tell an arm to stop; these only ask for the end. A node
    that breaks stops acting, too.
    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    node, status = None, 0
    try:
        node = make()
        for number in SIGNALS:
            signal.signal(number, lambda *_: node.asked_to_end.set())
        executor.add_node(node)
        while not node.asked_to_end.is_set():
            executor.spin_once(timeout_sec=SIGNAL_POLL_S)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if node is None or not node.asked_to_end.is_set():  # what a start breaks on then is no failure
            status = 1
            if not isinstance(error, StartError):  # its reason is in the log already
                rclpy.logging.get_logger("zipmo_ros").fatal(traceback.format_exc())
    if node is not None:
        node.leave()
        node.close()
    executor.shutdown()
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
