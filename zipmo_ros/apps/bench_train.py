"""`zipmo bench train`: what a training step costs, so that rivals can be trained for as long, in steps."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zipmo_policy.stages.registry import stage_class
from zipmo_ros.apps.configuration import Count, Range, load, plain
from zipmo_ros.apps.train import requested
from zipmo_ros.evaluation.origin import origin
from zipmo_ros.evaluation.origin import request as asked
from zipmo_ros.evaluation.places import LostError
from zipmo_ros.evaluation.results import write_json
from zipmo_ros.evaluation.training_times import step_times, training_report
from zipmo_ros.training.recipe import OUT, TrainingRecipe
from zipmo_ros.training.request import TrainingRequest


@dataclass(frozen=True)
class BenchTrainRequest:
    """Keys of config/hydra/bench_train.yaml."""

    recipes: Annotated[tuple[str, ...], Range(1)]
    run: Path
    budget: Annotated[tuple[str, ...], Range(1)]
    steps: Count
    turns: Count
    out: Path


def trainings(recipes: tuple[str, ...], run: Path) -> tuple[dict[str, TrainingRequest], dict[str, str]]:
    """What there is to train, and of what is left out why not, by stage: of the first recipe that has it so, with a
    recipe's name where another has it otherwise. Raises ValueError or FileNotFoundError for recipes that are none.
    """
    found: dict[str, TrainingRequest] = {}
    left_out: dict[str, str] = {}
    digests: set[str] = set()
    for recipe in recipes:
        for job in TrainingRecipe.load(recipe).jobs():
            if job.words[0] != "train" or job.digest in digests:
                continue
            digests.add(job.digest)
            _, stage, *overrides = (word.replace(OUT, str(run)) for word in job.words)
            name = f"{stage} of {Path(recipe).stem}" if stage in found or stage in left_out else stage
            request = requested(load("train", [f"stage={stage}", *overrides]))
            bases = [getattr(request, key) for key in stage_class(stage).builds_on]
            absent = [base for base in bases if base and not (Path(base) / "config.json").is_file()]
            if absent:
                left_out[name] = f"it builds on {absent[0]}, which is not there"
            else:
                found[name] = request
    return found, left_out


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    host = report["machine"]
    lines = [
        f"{host['cpu']}, {host['cores']} cores, load {host['load_average']:.1f}; {report['date']}",
        f"budget: {' and '.join(report['budget'])}, {report['budget_cpu_minutes']:g} CPU minutes",
        "",
        f"  {'training':<22}{'windows':>8}{'CPU ms':>9}{'wall ms':>9}{'ratio':>8}{'p25-p75':>14}{'steps':>8}"
        f"{'CPU min':>9}{'for budget':>12}",
    ]
    for row in report["rows"]:
        spread = "{:.2f}-{:.2f}".format(*row["ratio_p25_p75"])
        lines.append(
            f"  {row['training']:<22}{row['windows']:>8}{row['cpu_ms']:>9.1f}{row['wall_ms']:>9.1f}{row['ratio']:>8.2f}"
            f"{spread:>14}{row['steps']:>8}{row['cpu_minutes']:>9.1f}{row['steps_of_budget']:>12}"
        )
    lines += [f"  {name} is left out: {why}" for name, why in report["left_out"].items()]
    first = report["budget"][0]
    return "\n".join([*lines, "", f"ratio: CPU ms a step over {first}'s in the same turn; windows: of a step;",
                      "for budget: steps that take as long as the budget."])  # fmt: skip


def main(argv: list[str]) -> int:
    """0; 1 if something can't be trained; 2 for a wrong request."""
    try:
        request = load("bench_train", argv, BenchTrainRequest)
        found, left_out = trainings(request.recipes, request.run)
        if strange := [name for name in request.budget if name not in found]:
            there = f"; {left_out[strange[0]]}" if strange[0] in left_out else f": there are {', '.join(found)}"
            raise ValueError(f"budget={strange[0]} can't be measured{there}")
        times = step_times(found, request.steps, request.turns)
    except (ValueError, FileNotFoundError, LostError) as error:
        print(f"zipmo bench train: {error}", file=sys.stderr)
        return 1 if isinstance(error, LostError) else 2
    figures = training_report(times, found, request.budget)
    report = {**asked("bench train", argv, plain(request)), **origin(), "left_out": left_out, **figures}
    results = request.out / "train.json"
    write_json(results, report)
    print(table(report))
    print(f"\nwritten to {results}")
    return 0
