"""What can be done to messages on their way: each makes a Tamper, for one time that a fault lasts."""

from __future__ import annotations

import array
import copy
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from zipmo_ros.nodes.faults.taps import Tamper
from zipmo_ros.nodes.wire import messages


def silent() -> Tamper:
    """Nothing arrives."""
    return lambda message: ()


def changed(change: Callable[[Any], None]) -> Tamper:
    """Every message is changed, in a copy."""

    def tamper(message: Any) -> Iterable[Any]:
        message = copy.deepcopy(message)
        change(message)
        return (message,)

    return tamper


def shifted(seconds: float) -> Tamper:
    """Stamps are off by so much."""

    def shift(message: Any) -> None:
        message.header.stamp = messages.to_stamp(messages.to_ns(message.header.stamp) + round(1e9 * seconds))

    return changed(shift)


def once_back(seconds: float) -> Tamper:
    """Every second message has a stamp of before the last one's."""
    back, forward = shifted(-seconds), shifted(0.0)
    turn = 0

    def tamper(message: Any) -> Iterable[Any]:
        nonlocal turn
        turn += 1
        return (back if turn % 2 == 0 else forward)(message)

    return tamper


def stamps_frozen() -> Tamper:
    """The stamp stands still, the content goes on."""
    kept: list[Any] = []

    def freeze(message: Any) -> None:
        kept.append(message.header.stamp)
        message.header.stamp = kept[0]
        del kept[1:]

    return changed(freeze)


def content_frozen(*fields: str) -> Tamper:
    """These fields stand still, the stamps go on."""
    kept: dict[str, Any] = {}

    def freeze(message: Any) -> None:
        for field in fields:
            setattr(message, field, kept.setdefault(field, getattr(message, field)))

    return changed(freeze)


def repeated() -> Tamper:
    """The same message again and again."""
    kept: list[Any] = []

    def tamper(message: Any) -> Iterable[Any]:
        kept.append(message)
        del kept[1:]
        return kept

    return tamper


def late_by(count: int) -> Tamper:
    """Each arrives when the one `count` later was to."""
    waiting: deque[Any] = deque()

    def tamper(message: Any) -> Iterable[Any]:
        waiting.append(message)
        return (waiting.popleft(),) if len(waiting) > count else ()

    return tamper


def swapped() -> Tamper:
    """The first two arrive in the wrong order."""
    waiting: list[Any] = []
    done = False

    def tamper(message: Any) -> Iterable[Any]:
        nonlocal done
        if done:
            return (message,)
        waiting.append(message)
        done = len(waiting) == 2
        return reversed(waiting) if done else ()

    return tamper


def embedding(change: Callable[[np.ndarray], np.ndarray]) -> Tamper:
    """The numbers of a plan are others."""

    def alter(message: Any) -> None:
        numbers = change(np.frombuffer(message.data, np.float32).copy())
        message.data = array.array("B", numbers.astype(np.float32).tobytes())

    return changed(alter)


def resized(height: int, width: int) -> Tamper:
    """Pictures of another size."""

    def grow(message: Any) -> None:
        message.height, message.width, message.step = height, width, 3 * width
        message.data = array.array("B", bytes(3 * height * width))

    return changed(grow)
