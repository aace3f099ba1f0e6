"""`zipmo arm`: let the arms of a running graph move again, after whatever stopped them."""

from __future__ import annotations

from zipmo_ros.apps.switch import switch


def main(argv: list[str]) -> int:
    """See switch."""
    return switch("arm", argv)
