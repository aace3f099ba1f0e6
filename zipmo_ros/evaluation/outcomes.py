"""What became of episodes, and what is reported of them. Knows no models, no simulator and no ROS."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass

from zipmo_ros.evaluation.episodes import Episode

# v1: states 25-49, success latched at any step, the suite's own step limit (others are appended), lockstep.
PROTOCOL = "zipmo-{suite}-v1"


@dataclass(frozen=True)
class Outcome:
    """What became of an episode. `error` is set when it crashed, which is not a failure of the model."""

    number: int
    task: str
    init_state: int
    seed: int
    instructed_task: str
    instruction: str
    success: bool  # the instructed task got done (any task of the scene, if that is "any")
    original_success: bool  # the task that the scene was set up for got done
    steps: int
    error: str | None = None
    plan_ms: float | None = None  # median time of one plan
    plan_age_ms: float | None = None  # median age of the plan at use, in simulated time
    failure: str | None = None  # a category of failures.py, for failed episodes of suites that tell them apart
    done_tasks: tuple[str, ...] = ()  # tasks of the scene that got done, where that is known
    action_error: float | None = None  # of agents that know the right action: mean L1, in units of action
    jerk: float | None = None  # of where the hand is told to go: root of the mean square, m/s^3
    jump: float | None = None  # mean over new chunks of how far they are from the one before, in units of action
    held_steps: int | None = None  # at which no chunk said what to do

    @classmethod
    def of(cls, episode: Episode, **result) -> Outcome:
        """The outcome of `episode`; `result` names the remaining fields."""
        return cls(**asdict(episode), **result)


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


def _figures(outcomes: list[Outcome]) -> dict:
    """What is reported of all episodes, and of each task's."""
    successes = [outcome.success for outcome in outcomes if outcome.error is None]
    errors = [outcome.action_error for outcome in outcomes if outcome.action_error is not None]
    return {
        "success_rate": _rate(outcomes),
        "wilson95": list(wilson_interval(sum(successes), len(successes))),
        "crashes": len(outcomes) - len(successes),
        "failures": dict(Counter(outcome.failure for outcome in outcomes if outcome.failure).most_common()),
        "action_error": sum(errors) / len(errors) if errors else None,
    }


def summarise(
    outcomes: list[Outcome],
    *,
    suite: str,
    via: str,
    seed: int,
    instruction: str = "own",
    max_steps: int | None = None,
    states: str = "evaluation",
    mode: str = "lockstep",
    execution: str = "ensemble",
    latency_ms: float = 0.0,
    latency_jitter: float = 0.0,
    perturb: str | None = None,
    strength: float = 1.0,
    **identity,
) -> dict:
    """The result file's content. Rates are over finished episodes; crashes are counted apart."""
    by_task: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_task.setdefault(outcome.task, []).append(outcome)
    differing = [f"{max_steps}-steps"] if max_steps else []
    differing += [f"{states}-states"] if states != "evaluation" else []
    differing += [mode] if mode != "lockstep" else []
    differing += [execution] if execution != "ensemble" else []
    differing += [f"{latency_ms:g}-ms-late"] if latency_ms else []
    differing += [f"{latency_jitter:g}-jitter"] if latency_ms and latency_jitter else []
    differing += [f"{perturb}-{strength:g}"] if perturb else []
    report = {
        "protocol": "-".join([PROTOCOL.format(suite=suite), *differing]),
        "suite": suite,
        "via": via,
        "instruction": instruction,
        "seed": seed,
        "max_steps": max_steps,
        "states": states,
        "mode": mode,
        "execution": execution,
        "latency_ms": latency_ms,
        "latency_jitter": latency_jitter,
        "perturb": perturb,
        "strength": strength,
        **identity,
        **_figures(outcomes),
        "tasks": {
            name: {
                "episodes": len(group),
                "median_steps": sorted(o.steps for o in group)[len(group) // 2],
                **_figures(group),
            }
            for name, group in by_task.items()
        },
        "episodes": [asdict(outcome) for outcome in outcomes],
    }
    if instruction == "swap":
        report["named_success_rate"] = _rate(outcomes)
        report["original_success_rate"] = _rate(outcomes, "original_success")
    return report


def table(report: dict) -> str:
    """The report as plain text, a row a task."""

    def percent(value: float | None) -> str:
        return "   -" if value is None else f"{100 * value:4.0f}"

    def told(failures: dict[str, int]) -> str:
        return ", ".join(f"{count} {category}" for category, count in failures.items())

    width = max(len(name) for name in [*report["tasks"], "all tasks"])
    rows = [f"{'task':<{width}}  success %  95 % interval  episodes  median steps  failures"]
    for name, task in report["tasks"].items():
        low, high = task["wilson95"]
        rows.append(
            f"{name:<{width}}  {percent(task['success_rate']):>9}  [{percent(low)}, {percent(high)}]"
            f"  {task['episodes']:>8}  {task['median_steps']:>12}  {told(task['failures'])}".rstrip()
        )
    low, high = report["wilson95"]
    rows.append(
        f"{'all tasks':<{width}}  {percent(report['success_rate']):>9}  [{percent(low)}, {percent(high)}]"
        f"  {len(report['episodes']):>8}  {'':>12}  {told(report['failures'])}".rstrip()
    )
    if report["action_error"] is not None:
        rows.append(f"mean L1 distance from the right action: {report['action_error']:.3f}")
    if report["instruction"] == "swap":
        rows.append(
            f"told another task: the named one done {percent(report['named_success_rate']).strip()} %, "
            f"the original one {percent(report['original_success_rate']).strip()} %"
        )
    if report["crashes"]:
        rows.append(f"{report['crashes']} episodes crashed and count as neither; see 'error' in the result file")
    return "\n".join(rows)
