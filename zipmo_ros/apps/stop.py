"""`zipmo stop`: stop the arms of a running graph, until `zipmo arm`."""

from __future__ import annotations

from zipmo_ros.apps.switch import switch


def main(argv: list[str]) -> int:
    """See switch."""
    return switch("stop", argv)
