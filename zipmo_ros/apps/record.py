"""`zipmo record`: every topic of a running graph to a bag, until interrupted."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from zipmo_ros.apps.configuration import Count, Domain, load


@dataclass(frozen=True)
class RecordRequest:
    """Keys of config/hydra/record.yaml."""

    out: Path
    namespace: str
    domain: Domain | None
    memory_mb: Count
    recover: Path | None


def main(argv: list[str]) -> int:
    """0; 1 where the recording broke or nothing can be recovered; 2 for a wrong request."""
    try:
        request = load("record", argv, RecordRequest)
        from zipmo_ros.data.bag_writer import recover  # only now: --help needs no rosbags

        if request.recover is None:
            return _record(request)
    except ImportError as error:
        print(f"zipmo record: {error}; bags need the extra `bags`: pip install zipmo_ros[bags,ros]", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"zipmo record: {error}", file=sys.stderr)
        return 2
    try:
        folder, count = recover(request.recover)
    except (ValueError, OSError) as error:
        print(f"zipmo record: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: {count} messages recovered")
    return 0


def _record(request: RecordRequest) -> int:
    from zipmo_ros.nodes.recorder_node import main as run_recorder

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if request.domain is not None:
        os.environ["ROS_DOMAIN_ID"] = str(request.domain)
    words = ["--ros-args", "-p", f"out:={request.out}", "-p", f"memory_mb:={request.memory_mb}"]
    if request.namespace.strip("/"):
        words += ["-r", f"__ns:=/{request.namespace.strip('/')}"]
    return run_recorder(["zipmo", *words])
