"""The section of docs/results.md that sets planners side by side: what they do, what they foresee, what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zipmo_ros.contract.splits import CHOSEN_ON
from zipmo_ros.evaluation.motion_report import DELTA_COLUMNS, NAMES, TRACK_PROTOCOL, delta_rows, prediction_rows
from zipmo_ros.evaluation.motion_scores import POOLED
from zipmo_ros.evaluation.report_sections import Section
from zipmo_ros.evaluation.results import (
    USUAL_TIMING,
    Result,
    count,
    endings,
    grouped,
    interval,
    markdown,
    sources,
    steps_told,
    suite_title,
    timing,
    unusual_conditions,
)

TITLES = {"zipmo": "ZipMo", "arfm": "ARFM", "atm": "ATM", "": "another"}
SAID = {"own": "done", "paraphrase": "reworded", "swap": "the hand at another's thing"}
ABOUT = (
    "Planners side by side, of checkpoints that `zipmo bench planners` was given; how each was trained, and for how "
    "long, its card says. Done: planner and policy, told each task's own sentence, or as the column says."
)
FORESEEN = (
    "What they foresee, on {windows} windows of demonstrations held out of training, at the same {points} points a "
    "view for all, drawn by how much they move (`zipmo motion protocol=tracks`): MSE in px^2 and ADE in px of 128 px "
    "frames over moving points, of the first future and of the best of {k}; ARFM's measure, the share of points less "
    "than so many px of 256 off, in the best of {k}. ZipMo's plans are decoded at the points."
)
COST = (
    "What a plan costs ({device}; on a CPU one thread): the first of an episode, and the next one, for which ARFM "
    "follows its points and takes its plan along; medians by the clock (in brackets: CPU time). x: the next plan "
    "beside {first}'s of one future, in the same turn."
)


def planners(benches: Sequence[Result], evaluations: Sequence[Result], motions: Sequence[Result]) -> Iterator[Section]:
    """One for each result of `zipmo bench planners` and suite that two of its checkpoints were evaluated on.

    Of each checkpoint and policy the longest evaluation that is as usual.
    """
    usual = [
        r for r in evaluations
        if r["oracle"] == "none" and r["states"] not in CHOSEN_ON and timing(r) == USUAL_TIMING and not _odd(r)
        and r["instruction"] in SAID
    ]  # fmt: skip
    for bench in benches:
        facts = {fact["hash"]: fact for fact in bench["planners"]}
        mine = [r for r in usual if r["hashes"]["checkpoint"] in facts]
        for group in grouped(mine, lambda r: (r["suite"], r["hashes"]["assets"])):
            if len({r["hashes"]["checkpoint"] for r in group}) < 2:
                continue
            foreseen = [
                r for r in motions
                if r["protocol"] == TRACK_PROTOCOL and r["hashes"]["checkpoint"] in facts
                and group[0]["suite"] in r["suites"]
            ]  # fmt: skip
            yield _side_by_side(bench, facts, group, foreseen)


def _odd(result: Result) -> list[str]:
    return [name for name in unusual_conditions(result) if name not in ("max_steps", "states")]


def _side_by_side(
    bench: Result, facts: Mapping[str, dict[str, Any]], evaluations: Sequence[Result], motions: Sequence[Result]
) -> Section:
    done, used = _done(facts, evaluations)
    parts = [ABOUT, done]
    # Figures of other windows, or of other numbers of futures, don't compare: those that most were measured by.
    alike = max(grouped(motions, lambda r: (r["hashes"]["data"], r["windows"], r["samples"])), key=len, default=[])
    if alike:
        given = {"windows": alike[0]["windows"], "points": alike[0]["points"]["drawn"], "k": alike[0]["samples"]}
        parts += [FORESEEN.format(**given), _foreseen(facts, alike)]
    parts += [COST.format(device=bench["device"], first=bench["planners"][0]["name"]), _cost(bench)]
    told = (*used, *alike, bench)
    return Section(f"Planners side by side: {suite_title(evaluations[0])}", "\n\n".join([*parts, sources(*told)]), told)


def _named(fact: Mapping[str, Any]) -> str:
    return f"{TITLES[fact['planner']]}, `{fact['hash'][:12]}`"


def _done(facts: Mapping[str, dict[str, Any]], evaluations: Sequence[Result]) -> tuple[str, list[Result]]:
    """The table of success, and the results that it tells."""
    rows, used = [], []
    for digest, fact in facts.items():
        own = [r for r in evaluations if r["hashes"]["checkpoint"] == digest]
        for group in grouped(own, lambda r: r.content.get("policy")):
            said = {r["instruction"]: r for r in sorted(group, key=lambda r: len(r["episodes"]))}
            if "own" not in said:
                continue
            first, policy = said["own"], group[0].content.get("policy") or "its bundle's"
            others = [count(said[name]["episodes"]) if name in said else "-" for name in SAID if name != "own"]
            steps = steps_told(first["nfe"])
            rows.append([_named(fact), policy, steps, count(first["episodes"]), interval(first["episodes"]),
                         endings(first["episodes"]), *others])  # fmt: skip
            used += [said[name] for name in SAID if name in said]
    columns = ["planner", "policy", "a plan", "done", "95 % interval", "failures", *list(SAID.values())[1:]]
    return markdown(columns, rows), used


def _foreseen(facts: Mapping[str, dict[str, Any]], motions: Sequence[Result]) -> str:
    rows = []
    for digest, fact in facts.items():
        for result in (r for r in motions if r["hashes"]["checkpoint"] == digest):
            rows += _figures(result, {NAMES["planner"]: _named(fact)})
    # What needs no planner is the same for all.
    others = {name: name for key, name in NAMES.items() if key in ("neighbour", "velocity", "still")}
    rows += _figures(motions[0], others)
    columns = ["prediction", "k", "MSE", "ADE", "best MSE", "best ADE", *DELTA_COLUMNS[2:-1]]
    return markdown(columns, rows)


def _figures(result: Result, names: Mapping[str, str]) -> list[list[str]]:
    """Rows of those predictions: errors of the first future and of the best one, and the deltas of the best."""
    errors = {row[0]: row[2:4] for row in prediction_rows(result.content, POOLED, "moving")}
    rows = []
    for name, k, *deltas in delta_rows(result.content, POOLED):
        if name in names:
            best = errors.get(f"{name}, best", ["-", "-"])
            rows.append([names[name], k, *errors[name], *best, *deltas[:-1]])
    return rows


def _cost(bench: Result) -> str:
    facts = {fact["name"]: fact for fact in bench["planners"]}
    rows = [
        [
            _named(facts[row["planner"]]), f"{facts[row['planner']]['parameters'] / 1e6:.1f} M", str(row["samples"]),
            f"{row['plan_ms']:.0f} ({row['plan_cpu_ms']:.0f})", f"{row['update_ms']:.0f} ({row['update_cpu_ms']:.0f})",
            f"{row['ratio']:.2f}",
        ]
        for row in bench["rows"]
    ]  # fmt: skip
    return markdown(["planner", "parameters", "futures", "first plan, ms", "next plan, ms", "x"], rows)
