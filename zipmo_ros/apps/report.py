"""`zipmo report`: docs/results.md and its plots, from result files."""

from __future__ import annotations

import sys
from pathlib import Path

from zipmo_ros.apps.configuration import load
from zipmo_ros.evaluation import report_sections as sections
from zipmo_ros.evaluation.results import Result, read_results
from zipmo_ros.motion.checkpoint import write_atomically

INTRODUCTION = """# Results

Composed by `zipmo report` from the result files of the commands that each section names; not to be edited. An episode
is done when the named task held at any of its steps; intervals are Wilson's, 95 %. Crashed episodes are told apart and
count as neither. What was tried on the way is in [experiments.md](experiments.md).
"""


def compose(results: dict[str, list[Result]], plots: Path) -> tuple[str, list[Result]]:
    """The report, its plots written to `plots`; and the results that no section told."""
    evaluations, benches = results["eval"], results["bench plan"]
    plots.mkdir(parents=True, exist_ok=True)
    told = [
        *sections.suites(evaluations, plots),
        *sections.words(evaluations, plots),
        *sections.ladders(evaluations, plots),
        *sections.euler_steps(evaluations, benches, plots),
        *sections.motions(results["motion"], plots),
        *sections.savings(benches, plots),
    ]
    used = {result.name for section in told for result in section.used}
    left = [result for group in results.values() for result in group if result.name not in used]
    parts = [INTRODUCTION, *(f"## {section.title}\n\n{section.body}\n" for section in told)]
    return "\n".join(parts), left


def main(argv: list[str]) -> int:
    """0, or 2 for a wrong request."""
    try:
        config = load("report", argv)
        results = read_results(Path(config.results))
    except (ValueError, FileNotFoundError) as error:
        print(f"zipmo report: {error}", file=sys.stderr)
        return 2
    out = Path(config.out)
    text, left = compose(results, out.with_suffix(""))
    write_atomically(out, text.encode())
    total = sum(map(len, results.values()))
    print(f"{total - len(left)} of {total} result files told in {out}")
    for result in left:
        print(f"not told, for want of others to compare it with: {result.name}.json, {result['command']}")
    return 0
