"""Which episodes an evaluation runs, and what is reported of them. Knows no models, no simulator and no ROS."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass

from zipmo_sim.suites import Task

# evaluation: for figures alone. validation: held out of training, for choosing settings.
STATES = {"evaluation": range(25, 50), "validation": range(22, 25)}
# v1: states 25-49, success latched at any step, the suite's own step limit, lockstep.
PROTOCOL = "zipmo-{suite}-v1"


@dataclass(frozen=True)
class Episode:
    """One episode to run: the scene of `task` at `init_state`, told to do `instructed_task`."""

    number: int  # unique; the episode's simulated clock starts at `number` * 1000 s
    task: str
    init_state: int
    seed: int
    instructed_task: str
    instruction: str


@dataclass(frozen=True)
class Outcome:
    """What became of an episode. `error` is set when it crashed, which is not a failure of the model."""

    number: int
    task: str
    init_state: int
    seed: int
    instructed_task: str
    instruction: str
    success: bool  # the instructed task got done
    original_success: bool  # the task that the scene was set up for got done
    steps: int
    error: str | None = None
    plan_ms: float | None = None  # median time of one plan
    plan_age_ms: float | None = None  # median age of the plan at use, in simulated time

    @classmethod
    def of(cls, episode: Episode, **result) -> Outcome:
        """The outcome of `episode`; `result` names the remaining fields."""
        return cls(**asdict(episode), **result)


def draw_episodes(
    tasks: list[Task],
    episodes: int,
    seed: int,
    *,
    swap: bool = False,
    all_tasks: list[Task] | None = None,
    states: range = STATES["evaluation"],
) -> list[Episode]:
    """`episodes` of the initial `states` a task, drawn by `seed` without replacement (a new round when used up).

    With `swap`, each episode is told the sentence of another task (of `all_tasks`) in the same scene. Raises
    ValueError where a scene has no other task.
    """
    drawn = []
    for task in tasks:
        generator = random.Random(seed + 1000 * task.index)
        rounds = math.ceil(episodes / len(states))
        turns = [(state, turn) for turn in range(rounds) for state in generator.sample(states, len(states))]
        others = [t for t in all_tasks or tasks if t.scene == task.scene and t.name != task.name]
        if swap and not others:
            raise ValueError(f"instruction=swap needs another task in the scene of '{task.name}'; there is none")
        for state, turn in turns[:episodes]:
            instructed = generator.choice(others) if swap else task
            drawn.append(
                Episode(
                    number=task.index * 1000 + turn * 50 + state,
                    task=task.name,
                    init_state=state,
                    seed=seed,
                    instructed_task=instructed.name,
                    instruction=instructed.language,
                )
            )
    return drawn


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def _rate(outcomes: list[Outcome], key: str = "success") -> float | None:
    finished = [outcome for outcome in outcomes if outcome.error is None]
    return sum(getattr(outcome, key) for outcome in finished) / len(finished) if finished else None


def summarise(outcomes: list[Outcome], *, suite: str, via: str, seed: int, swap: bool, **identity) -> dict:
    """The result file's content. Rates are over finished episodes; crashes are counted apart."""
    finished = [outcome for outcome in outcomes if outcome.error is None]
    by_task: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_task.setdefault(outcome.task, []).append(outcome)
    report = {
        "protocol": PROTOCOL.format(suite=suite),
        "suite": suite,
        "via": via,
        "instruction": "swap" if swap else "own",
        "seed": seed,
        **identity,
        "success_rate": _rate(outcomes),
        "wilson95": list(wilson_interval(sum(o.success for o in finished), len(finished))),
        "crashes": len(outcomes) - len(finished),
        "tasks": {
            name: {
                "success_rate": _rate(group),
                "wilson95": list(wilson_interval(sum(o.success for o in group if o.error is None),
                                                 sum(o.error is None for o in group))),
                "episodes": len(group),
                "median_steps": sorted(o.steps for o in group)[len(group) // 2],
            }
            for name, group in by_task.items()
        },
        "episodes": [asdict(outcome) for outcome in outcomes],
    }
    if swap:
        report["named_success_rate"] = _rate(outcomes)
        report["original_success_rate"] = _rate(outcomes, "original_success")
    return report


def table(report: dict) -> str:
    """The report as plain text, a row a task."""
    def percent(value: float | None) -> str:
        return "   -" if value is None else f"{100 * value:4.0f}"

    width = max(len(name) for name in [*report["tasks"], "all tasks"])
    rows = [f"{'task':<{width}}  success %  95 % interval  episodes  median steps"]
    for name, task in report["tasks"].items():
        low, high = task["wilson95"]
        rows.append(f"{name:<{width}}  {percent(task['success_rate']):>9}  [{percent(low)}, {percent(high)}]"
                    f"  {task['episodes']:>8}  {task['median_steps']:>12}")
    low, high = report["wilson95"]
    rows.append(f"{'all tasks':<{width}}  {percent(report['success_rate']):>9}  [{percent(low)}, {percent(high)}]"
                f"  {len(report['episodes']):>8}")
    if report["instruction"] == "swap":
        rows.append(f"told another task: the named one done {percent(report['named_success_rate']).strip()} %, "
                    f"the original one {percent(report['original_success_rate']).strip()} %")
    if report["crashes"]:
        rows.append(f"{report['crashes']} episodes crashed and count as neither; see 'error' in the result file")
    return "\n".join(rows)
