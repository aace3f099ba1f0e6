"""What became of episodes, and what is reported of them. Knows no models, no simulator and no ROS."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from zipmo_ros.data.grammar import IMPOSSIBLE, KINDS
from zipmo_ros.evaluation.episodes import Episode

# v1: evaluation's states, success latched at any step, the suite's own step limit, lockstep; what differs is appended
# (-approach: Episode.approach).
PROTOCOL = "zipmo-{suite}-v1"
STILL_M = 0.05  # what the hand moves less than counts as refraining
POSSIBLE_KINDS, IMPOSSIBLE_KINDS = "possible", "impossible"  # all of those together


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
    approach: bool = False
    error: str | None = None
    plan_ms: float | None = None  # median time of one plan
    plan_age_ms: float | None = None  # median age of the plan at use, in simulated time
    failure: str | None = None  # a category of failures.py, for failed episodes of suites that tell them apart
    done_tasks: tuple[str, ...] = ()  # tasks of the scene that got done, where that is known
    action_error: float | None = None  # of agents that know the right action: mean L1, in units of action
    jerk: float | None = None  # of where the hand is told to go: root of the mean square, m/s^3
    jump: float | None = None  # mean over new chunks of how far they are from the one before, in units of action
    held_steps: int | None = None  # at which no chunk said what to do
    kind: str | None = None  # of the wording, where it came by rules; of what can't be done, success is to refrain
    understood: float | None = None  # how sure the planner was, from 0 to 1, where it can tell
    refused: bool = False  # the arm held, for the sentence was not understood
    moved_m: float | None = None  # how far from where it was first the hand has been
    repeated: str | None = None  # how a first try crashed, where this is the second one

    @classmethod
    def of(cls, episode: Episode, **result) -> Outcome:
        """The outcome of `episode`; `result` names the remaining fields."""
        outcome = cls(**asdict(episode), **result)
        impossible = episode.kind in IMPOSSIBLE and outcome.error is None
        return replace(outcome, success=outcome.refrained, failure=None) if impossible else outcome

    @property
    def refrained(self) -> bool:
        """Whether nothing was done."""
        still = self.moved_m is not None and self.moved_m < STILL_M
        return not self.done_tasks and (self.refused or still)


def wilson_interval(successes: float, trials: float, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def clustered_interval(answers: Iterable[tuple[str, bool]], z: float = 1.959964) -> tuple[float, float]:
    """Interval of a proportion whose (cluster, success) come in clusters that may succeed and fail together.

    Wilson's with the effective sample size: the number of answers over the design effect, the variance of the ratio
    estimator over clusters relative to that of independent answers (Kish 1965; Franco et al. 2019 compare such
    intervals). The effect is at least 1; where all answers are the same it can't be estimated, and a cluster counts
    once.
    """
    clusters: dict[str, list[bool]] = defaultdict(list)
    for cluster, success in answers:
        clusters[cluster].append(success)
    trials, count = sum(map(len, clusters.values())), len(clusters)
    successes = sum(map(sum, clusters.values()))
    share = successes / trials if trials else 0.0
    effect = max(1.0, trials / max(count, 1))
    if count > 1 and 0 < share < 1:
        residuals = sum((sum(each) - share * len(each)) ** 2 for each in clusters.values())
        effect = max(1.0, count / (count - 1) * residuals / (trials * share * (1 - share)))
    return wilson_interval(successes / effect, trials / effect, z)


def several_sentences(said: Iterable[tuple[str, str]]) -> bool:
    """Whether a task was told in more than one sentence: (task, sentence) of each episode."""
    pairs = set(said)
    return len(pairs) > len({task for task, _ in pairs})


def _rate(outcomes: list[Outcome], key: str = "success") -> float | None:
    finished = [outcome for outcome in outcomes if outcome.error is None]
    return sum(getattr(outcome, key) for outcome in finished) / len(finished) if finished else None


def _over_sentences(outcomes: list[Outcome]) -> dict:
    """How many different sentences were said, and the interval over them."""
    finished = [outcome for outcome in outcomes if outcome.error is None]
    interval = clustered_interval((outcome.instruction, outcome.success) for outcome in finished)
    return {"distinct": len({outcome.instruction for outcome in finished}), "wilson95": list(interval)}


def _sentences(outcomes: list[Outcome]) -> dict | None:
    """See `_over_sentences`; None where each task has one."""
    said = [(outcome.instructed_task, outcome.instruction) for outcome in outcomes if outcome.error is None]
    return _over_sentences(outcomes) if several_sentences(said) else None


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


# What an evaluation runs under, and how that is usually.
USUAL: dict[str, Any] = {
    "max_steps": None, "states": "evaluation", "mode": "lockstep", "execution": "ensemble", "latency_ms": 0.0,
    "latency_jitter": 0.0, "refuse_unknown": False, "perturb": None, "strength": 1.0, "look": None, "settle": None,
    "draw": "seeded", "warm_start": None, "engine": "eager", "dtype": "float32", "command_interface": None,
    "robot": None, "image_phase": 0, "camera_skew": None, "plan_age": None,
}  # fmt: skip


def summarise(
    outcomes: list[Outcome],
    *,
    suite: str,
    via: str,
    seed: int,
    seeds: int = 1,
    instruction: str = "own",
    protocol: str | None = None,
    fixed: Collection[str] = (),
    **facts,
) -> dict:
    """The result file's content. Rates are over finished episodes; crashes are counted apart.

    seed: the first of `seeds` in a row. protocol: its name for this suite (None: PROTOCOL), which tells of `fixed` what
    differs. facts: what is not as in USUAL, and where the figures come from.
    """
    conditions = {name: facts.pop(name, usual) for name, usual in USUAL.items()}
    told = [PROTOCOL.format(suite=suite) if protocol is None else protocol, *departures(conditions, fixed).values()]
    told += ["approach"] if any(outcome.approach for outcome in outcomes) else []
    report = {
        "protocol": "-".join(told),
        "suite": suite,
        "via": via,
        "instruction": instruction,
        "seed": seed,
        "seeds": seeds,
        **conditions,
        **facts,
        **_figures(outcomes),
        "by_seed": _by_seed(outcomes),
        "sentences": _sentences(outcomes),
        "tasks": _by_task(outcomes),
        "kinds": _by_kind(outcomes),
        "episodes": [asdict(outcome) for outcome in outcomes],
    }
    if instruction == "swap":
        report["named_success_rate"] = _rate(outcomes)
        report["original_success_rate"] = _rate(outcomes, "original_success")
    return report


def departures(conditions: Mapping[str, Any], fixed: Collection[str]) -> dict[str, str]:
    """What of USUAL is otherwise, and not told by a protocol that fixes it: how the name of a protocol says it."""
    late = f"{conditions['latency_ms']:g}-ms-late"
    names = {
        "max_steps": f"{conditions['max_steps']}-steps",
        "states": f"{conditions['states']}-states",
        "draw": conditions["draw"],
        "look": f"{conditions['look']}-look",
        "settle": f"settling-{conditions['settle']}",
        "mode": conditions["mode"],
        "execution": conditions["execution"],
        "latency_ms": f"{late}-{conditions['latency_jitter']:g}-jitter" if conditions["latency_jitter"] else late,
        "refuse_unknown": "refusing",
        "perturb": f"{conditions['perturb']}-{conditions['strength']:g}",
        "warm_start": f"warm-from-{conditions['warm_start']}",
        "engine": f"{conditions['engine']}-engine",
        "dtype": conditions["dtype"],
        "command_interface": conditions["command_interface"],
        "robot": conditions["robot"],
        "image_phase": f"images-{conditions['image_phase']}-apart",
        "camera_skew": f"{conditions['camera_skew']}-s-skew",
        "plan_age": f"{conditions['plan_age']}-steps-old",
    }
    return {name: told for name, told in names.items() if conditions[name] != USUAL[name] and name not in fixed}


def _by_seed(outcomes: list[Outcome]) -> dict | None:
    """Success by seed, its mean and standard deviation over them; None for a single one."""
    seeds = sorted({outcome.seed for outcome in outcomes if outcome.error is None})
    if len(seeds) < 2:
        return None
    rates = {seed: _rate([outcome for outcome in outcomes if outcome.seed == seed]) or 0.0 for seed in seeds}
    return {"rates": {str(seed): rate for seed, rate in rates.items()}, "mean": statistics.mean(rates.values()),
            "std": statistics.stdev(rates.values())}  # fmt: skip


def _by_task(outcomes: list[Outcome]) -> dict[str, dict]:
    by_task: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_task.setdefault(outcome.task, []).append(outcome)
    return {
        name: {
            "episodes": len(group),
            "median_steps": sorted(o.steps for o in group)[len(group) // 2],
            **_figures(group),
        }
        for name, group in by_task.items()
    }


def _by_kind(outcomes: list[Outcome]) -> dict[str, dict]:
    """Of those whose sentences came by rules, by kind and of all that can be done, and that can't."""
    found: dict[str, list[Outcome]] = {kind: [] for kind in (*KINDS, *IMPOSSIBLE, POSSIBLE_KINDS, IMPOSSIBLE_KINDS)}
    for outcome in outcomes:
        if outcome.kind is not None:
            found[outcome.kind].append(outcome)
            found[IMPOSSIBLE_KINDS if outcome.kind in IMPOSSIBLE else POSSIBLE_KINDS].append(outcome)
    return {
        kind: {
            "episodes": len(group),
            "refused": sum(o.refused for o in group),
            **_figures(group),
            "sentences": _over_sentences(group),
        }
        for kind, group in found.items()
        if group
    }


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
    for kind, figures in report["kinds"].items():
        low, high = figures["sentences"]["wilson95"]
        name = f"{kind}: refrained" if kind in (*IMPOSSIBLE, IMPOSSIBLE_KINDS) else kind
        rows.append(
            f"{name:<{width}}  {percent(figures['success_rate']):>9}  [{percent(low)}, {percent(high)}]"
            f"  {figures['episodes']:>8}  {figures['sentences']['distinct']} sentences, {figures['refused']} refused"
        )
    if told_in := report["sentences"]:
        low, high = told_in["wilson95"]
        rows.append(
            f"{told_in['distinct']} different sentences; 95 % interval over them, as clusters of episodes: "
            f"[{percent(low).strip()}, {percent(high).strip()}]"
        )
    if seeds := report["by_seed"]:
        each = ", ".join(f"{seed}: {percent(rate).strip()}" for seed, rate in seeds["rates"].items())
        rows.append(f"{len(seeds['rates'])} seeds: {100 * seeds['mean']:.1f} +- {100 * seeds['std']:.1f} % ({each})")
    if report["action_error"] is not None:
        rows.append(f"mean L1 distance from the right action: {report['action_error']:.3f}")
    if report["instruction"] == "swap":
        rows.append(
            "told another task, the hand near what the scene's own takes: "
            f"the named one done {percent(report['named_success_rate']).strip()} %, "
            f"the original one {percent(report['original_success_rate']).strip()} %"
        )
    if again := sum(episode["repeated"] is not None for episode in report["episodes"]):
        rows.append(f"{again} episodes crashed and were run a second time")
    if report["crashes"]:
        rows.append(f"{report['crashes']} episodes crashed and count as neither; see 'error' in the result file")
    return "\n".join(rows)
