"""ROS domains for graphs that are to be alone."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

# Above them ports may be in use by others (DDS computes ports from the domain).
DOMAINS = range(1, 101)


class PrivateDomain:
    """A ROS domain that no other process of this user's has claimed on this machine; from `claim` to `free`.

    number: None before. A process that ends, however it does, frees what it had claimed.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._lock: IO | None = None

    def claim(self, candidates: Iterable[int] = ()) -> int:
        """The domain's number. Raises RuntimeError where all are claimed."""
        folder = Path(tempfile.gettempdir()) / f"zipmo-domains-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        first = os.getpid() % len(DOMAINS)  # so that those of other users' are hardly met
        for number in candidates or (*DOMAINS[first:], *DOMAINS[:first]):
            lock = (folder / str(number)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self.number, self._lock = number, lock
            return number
        raise RuntimeError(f"all ROS domains are in use by graphs of this machine (locks in {folder})")

    def free(self) -> None:
        """Others may have it."""
        if self._lock is not None:
            self._lock.close()
        self.number = self._lock = None
