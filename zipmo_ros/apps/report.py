"""`zipmo report`: docs/results.md and its plots, from result files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zipmo_ros.apps import evaluate
from zipmo_ros.apps.configuration import load, plain
from zipmo_ros.evaluation import report_sections as sections
from zipmo_ros.evaluation.experts_report import experts
from zipmo_ros.evaluation.faults.telling import faults
from zipmo_ros.evaluation.latency_report import latencies
from zipmo_ros.evaluation.libero_report import libero
from zipmo_ros.evaluation.planners_report import planners
from zipmo_ros.evaluation.results import Result, read_results
from zipmo_ros.evaluation.robustness_report import robustness
from zipmo_ros.evaluation.sentences_report import wordings
from zipmo_ros.evaluation.warm_start_report import warm_starts
from zipmo_ros.motion.checkpoint import write_atomically

INTRODUCTION = """# Results

Composed by `zipmo report` from the result files of the commands that each section names; not to be edited. An episode
is done when the named task held at any of its steps; intervals are Wilson's, 95 %. Crashed episodes are told apart and
count as neither. What was tried on the way is in [experiments.md](experiments.md).
"""


@dataclass(frozen=True)
class ReportRequest:
    """Keys of config/hydra/report.yaml."""

    results: Path
    out: Path


def compose(
    results: dict[str, list[Result]], plots: Path, usual: Mapping[str, Any], files: Path
) -> tuple[str, list[Result]]:
    """The report, its plots written to `plots`; and the results that no section told.

    usual: settings of an evaluation unless asked otherwise. files: folder of the results.
    """
    evaluations = [result for result in results["eval"] if not result.content.get("perturb")]
    benches = results["bench plan"]
    unusual = sections.deviations(evaluations, usual)
    plots.mkdir(parents=True, exist_ok=True)
    told = [
        *libero(evaluations, plots),
        *sections.suites(evaluations, plots, unusual, files),
        *sections.words(evaluations, plots),
        *planners(results["bench planners"], evaluations, results["motion"]),
        *experts(evaluations),
        *sections.ladders(evaluations, plots, unusual),
        *sections.euler_steps(evaluations, benches, plots),
        *warm_starts(evaluations),
        *wordings(results["sentences"], plots),
        *robustness(results["robustness"], plots),
        *latencies(results["latency"], evaluations, plots),
        *faults(results["faults"], plots),
        *sections.motions(results["motion"], plots),
        *sections.savings(benches, plots),
    ]
    used = {result.name for section in told for result in section.used}
    left = [result for group in results.values() for result in group if result.name not in used]
    titled = zip(headings(told), told, strict=True)
    parts = [INTRODUCTION, *(f"## {heading}\n\n{section.body}\n" for heading, section in titled)]
    return "\n".join(parts), left


def headings(told: Sequence[sections.Section]) -> list[str]:
    """The sections' titles; of those that are alike, with their checkpoints where these tell them apart."""
    checkpoints: dict[str, set[str]] = {}
    of = [section.used[0].content.get("hashes", {}).get("checkpoint") or "" for section in told]
    for section, checkpoint in zip(told, of, strict=True):
        checkpoints.setdefault(section.title, set()).add(checkpoint)
    return [
        f"{section.title}, checkpoint `{checkpoint[:12]}`" if checkpoint and len(checkpoints[section.title]) > 1
        else section.title
        for section, checkpoint in zip(told, of, strict=True)
    ]  # fmt: skip


def main(argv: list[str]) -> int:
    """0, or 2 for a wrong request."""
    try:
        request = load("report", argv, ReportRequest)
        results = read_results(request.results)
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo report: {error}", file=sys.stderr)
        return 2
    usual = plain(load("eval", [], evaluate.EvaluationRequest))
    text, left = compose(results, request.out.with_suffix(""), usual, request.results)
    write_atomically(request.out, text.encode())
    total = sum(map(len, results.values()))
    print(f"{total - len(left)} of {total} result files told in {request.out}")
    for result in left:
        print(f"not told, for want of others to compare it with: {result.name}.json, {result['command']}")
    return 0
