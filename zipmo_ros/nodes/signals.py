"""SIGINT and SIGTERM, for a process that has something to say before it ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import rclpy

GRACE = 0.5  # s that what is going on in the main thread has until the context is taken from it


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, while the context lives on; rclpy's own handlers would end it at once.

    What does not look at the event (a model being loaded waits for the context to end) is ended GRACE later.
    """
    told = threading.Event()
    timer = threading.Timer(GRACE, rclpy.try_shutdown)
    timer.daemon = True

    def handler(number: int, frame: FrameType | None) -> None:
        if not told.is_set():
            told.set()
            timer.start()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        timer.cancel()
        for number, handled in before.items():
            signal.signal(number, handled)
