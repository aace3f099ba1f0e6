"""`zipmo replay BAG`: planner and policy once more on a recording, beside what they said then."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zipmo_ros.apps.configuration import Count, EulerSteps, Seed, load, plain
from zipmo_ros.evaluation.origin import origin
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.plotting import plot_replay
from zipmo_ros.evaluation.results import write_json


@dataclass(frozen=True)
class ReplayRequest:
    """Keys of config/hydra/replay.yaml."""

    checkpoint: str | None
    planner: str | None
    policy: str | None
    robot: str | None
    seed: Seed | None
    nfe: EulerSteps | None
    replan_every: Count | None
    ensemble: Literal["intended", "official"] | None
    device: str | None
    out: Path | None


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    how = "as recorded" if report["same"] else f"not as recorded: {', '.join(report['changed'])}"
    lines = [
        f"{report['bag']}: {report['episodes']} episodes, {report['mode']}; replayed {how}",
        "",
        f"{'topic':<20}{'compared':>10}{'identical':>11}{'largest difference':>20}{'not made again':>16}{'skipped':>9}",
    ]
    for topic, row in report["topics"].items():
        gap = "-" if row["max_difference"] is None else f"{row['max_difference']:.3g}"
        lines.append(
            f"{topic:<20}{row['count']:>10}{row['identical']:>11}{gap:>20}{len(row['unanswered']):>16}{row['skipped']:>9}"
        )
        if row["differing"]:
            shown = ", ".join(f"{stamp / 1e9:.2f}" for stamp in row["differing"][:8])
            more = ", ..." if len(row["differing"]) > 8 else ""
            lines.append(f"  differ at (s): {shown}{more}")
    if report["stopped"]:
        lines.append("  the arm was stopped during this recording, and then commands follow what no bag holds")
    elif report["mode"] != "lockstep":
        lines.append("  not in lockstep, commands follow when plans arrived, too: they may differ")
    return "\n".join([*lines, *(f"  dropped: {text}" for text in report["dropped"][:5])])


def main(argv: list[str]) -> int:
    """0; 1 where the same checkpoint and seed say something else than they did; 2 for a wrong request."""
    bags = [word for word in argv if "=" not in word and not word.startswith("-")]
    words = [word for word in argv if word not in bags]
    try:
        request = load("replay", words, ReplayRequest)
        if len(bags) != 1:
            raise ValueError("say which bag: zipmo replay BAG [key=value ...]")
        from zipmo_ros.evaluation.replay_run import replay_bag  # only now: --help needs no rosbags

        figures = replay_bag(Path(bags[0]), plain(request))
    except ImportError as error:
        print(f"zipmo replay: {error}; bags need the extra `bags`: pip install zipmo_ros[bags]", file=sys.stderr)
        return 2
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo replay: {error}", file=sys.stderr)
        return 2
    report = {**asked("replay", argv, plain(request)), **origin(), **figures}
    out = Path(bags[0]) if request.out is None else request.out
    results, picture = out / "replay.json", out / "replay.png"
    write_json(results, report)
    plot_replay(report, picture)
    print(table(report))
    print(f"\nwritten to {results} and {picture}")
    if report["broken"]:
        print(f"zipmo replay: the same checkpoint and seed, and yet: {'; '.join(report['broken'])}", file=sys.stderr)
    return int(bool(report["broken"]))
