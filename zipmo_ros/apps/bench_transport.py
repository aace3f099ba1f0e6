"""`zipmo bench transport`: what arrives of camera images with and without the profile of shared memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zipmo_ros.apps.configuration import Count, Domain, Range, load, plain
from zipmo_ros.evaluation.origin import origin
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.nodes.domains import PrivateDomain
from zipmo_ros.nodes.transport import PROFILES
from zipmo_ros.nodes.transport_probe import ImageStream, measure

WAYS = {"Fast DDS's defaults": False, PROFILES: True}  # name -> whether with the profile
COLUMNS = {"p50_ms": "p50 ms", "p99_ms": "p99 ms", "max_ms": "max ms"}


@dataclass(frozen=True)
class BenchTransportRequest:
    """Keys of config/hydra/bench_transport.yaml."""

    width: Count
    height: Count
    rate_hz: Annotated[float, Range(1, 1000)]
    count: Count
    turns: Count
    domain: Domain | None
    out: Path


def compare(request: BenchTransportRequest) -> list[dict[str, Any]]:
    """A row a turn and a way: the row of `measure`, with `transport` and `turn`."""
    stream = ImageStream(request.width, request.height, request.rate_hz, request.count)
    alone = PrivateDomain()  # freed with this function
    domain = alone.claim() if request.domain is None else request.domain
    return [
        {"transport": name, "turn": turn, **measure(stream, profile, domain)}
        for turn in range(request.turns)
        for name, profile in WAYS.items()
    ]


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    host, asked_for = report["machine"], report["settings"]
    size = f"{asked_for['width']}x{asked_for['height']} rgb8"
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; {report['date']}",
        f"{size}, best effort, {asked_for['rate_hz']:g} Hz, from process to process",
        "",
        f"  {'transport':<26}{'turn':>5}{'sent':>7}{'arrived':>9}" + "".join(f"{name:>9}" for name in COLUMNS.values()),
    ]
    for row in report["rows"]:
        times = "".join(f"{'-' if row[key] is None else format(row[key], '.2f'):>9}" for key in COLUMNS)
        lines.append(f"  {row['transport']:<26}{row['turn']:>5}{row['sent']:>7}{row['arrived']:>9}{times}")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """0; 1 if the images could not be sent; 2 for a wrong request."""
    try:
        request = load("bench_transport", argv, BenchTransportRequest)
        rows = compare(request)
    except (ValueError, RuntimeError) as error:
        print(f"zipmo bench transport: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    report = {**asked("bench transport", argv, plain(request)), **origin(), "rows": rows}
    write_json(request.out / "transport.json", report)
    print(table(report))
    print(f"\nwritten to {request.out / 'transport.json'}")
    return 0
