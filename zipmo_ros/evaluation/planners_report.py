"""The section of docs/results.md that sets planners side by side: what they do, what they foresee, what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.splits import CHOSEN_ON
from zipmo_ros.evaluation.motion_report import DELTA_COLUMNS, NAMES, TRACK_PROTOCOL, delta_rows, prediction_rows
from zipmo_ros.evaluation.motion_scores import POOLED
from zipmo_ros.evaluation.report_sections import Section, setting_of
from zipmo_ros.evaluation.results import (
    USUAL_TIMING,
    Result,
    count,
    endings,
    episodes_of,
    grouped,
    interval,
    markdown,
    sources,
    states_told,
    steps_told,
    suite_title,
    timing,
)
from zipmo_ros.models import CLONING, NAMED
from zipmo_ros.motion.metrics import DELTA_SIZE

TITLES = {"zipmo": "ZipMo", "arfm": "ARFM", "atm": "ATM"}
SAID = {"own": "done", "paraphrase": "reworded", "swap": "the hand at another's thing"}
ABOUT = (
    "Planners side by side, of the checkpoints that `zipmo bench planners` was given, and behaviour cloning where it "
    "ran on the same episodes; how each was trained, and for how long, its card says. Done: planner and policy, told "
    "each task's own sentence, the same {episodes} episodes for all, a new plan every {often} steps; or as the column "
    "says. {states}."
)
FORESEEN = (
    "What they foresee, on {windows} windows of demonstrations held out of training, at the same {points} points a "
    "view for all, drawn uniformly, of which those that move count (`zipmo motion protocol=tracks`): MSE in px^2 and "
    "ADE in px of {size} px frames, of the first future and of the best of {k}; by ARFM, the share of points less than "
    "so many px of {of} off, in the best of {k}. ZipMo's plans are decoded at the points."
)
COST = (
    "What a plan costs ({device}; on a CPU one thread): the first of an episode, and that of a step later, for which "
    "ARFM follows its points and takes its plan along; medians by the clock (in brackets: CPU time). x: the latter "
    "beside that of {first} with {futures} at a time, in the same turn."
)


def planners(benches: Sequence[Result], evaluations: Sequence[Result], motions: Sequence[Result]) -> Iterator[Section]:
    """For each result of `zipmo bench planners`, one for episodes that two of its checkpoints at least were evaluated
    on, alike in all but planner and policy.
    """
    usual = [r for r in evaluations if r["states"] not in CHOSEN_ON and timing(r) == USUAL_TIMING and _told(r)]
    for bench in benches:
        facts = {fact["hash"]: fact for fact in bench["planners"]}
        mine = [r for r in usual if r["hashes"]["checkpoint"] in facts or r.actor == CLONING]
        own = [r for r in mine if r["instruction"] == "own"]
        for group in grouped(own, lambda r: (setting_of(r), episodes_of(r))):
            if len({r["hashes"]["checkpoint"] for r in group if r.actor != CLONING}) < 2:
                continue
            others = [r for r in mine if r["instruction"] != "own" and setting_of(r) == setting_of(group[0])]
            foreseen = [
                r for r in motions
                if r["protocol"] == TRACK_PROTOCOL and r["held_out"] and r["hashes"]["checkpoint"] in facts
                and r["opening"] is None and group[0]["suite"] in r["suites"]
            ]  # fmt: skip
            yield _side_by_side(bench, facts, group, others, foreseen)


def _told(result: Result) -> bool:
    """Whether a bundle's own planner acted, by whichever of its policies, or behaviour cloning; told as in SAID."""
    own = result.content.get("planner") in (None, *NAMED)
    whole = result["oracle"] == "none" and own and result.actor != CLONING
    return result["instruction"] in SAID and (whole or result.actor == CLONING)


def _side_by_side(
    bench: Result,
    facts: Mapping[str, dict[str, Any]],
    own: Sequence[Result],
    others: Sequence[Result],
    motions: Sequence[Result],
) -> Section:
    done, used = _done(facts, own, others)
    first = own[0]
    given = {
        "episodes": len(first["episodes"]),
        "often": first["replan_every"],
        "states": states_told(first).capitalize(),
    }
    parts = [ABOUT.format(**given), done]
    # Figures of other windows, or of other numbers of futures, don't compare: those that most were measured by.
    keys = ("windows", "samples", "seed")
    alike = max(
        grouped(motions, lambda r: (r["hashes"]["data"], *(r["settings"][key] for key in keys))), key=len, default=[]
    )
    if alike:
        given = {"windows": alike[0]["windows"], "points": alike[0]["points"]["drawn"], "k": alike[0]["samples"]}
        given |= {"size": IMAGE_SIZE, "of": DELTA_SIZE}
        parts += [FORESEEN.format(**given), _foreseen(facts, alike)]
    named, futures = _named(bench["planners"][0]), bench["rows"][0]["samples"]
    about = COST.format(device=bench["device"], first=named, futures=f"{futures} future{'s' * (futures != 1)}")
    told = (*used, *alike, bench)
    body = "\n\n".join([*parts, about, _cost(bench), sources(*told)])
    return Section(f"Planners side by side: {suite_title(first)}", body, told)


def _named(fact: Mapping[str, Any]) -> str:
    return f"{TITLES[fact['planner']]}, `{fact['hash'][:12]}`"


def _done(
    facts: Mapping[str, dict[str, Any]], own: Sequence[Result], others: Sequence[Result]
) -> tuple[str, list[Result]]:
    """The table of success, and the results that it tells. own: told their own sentence; others: in other words."""
    rows, used = [], []
    for digest, policy in dict.fromkeys(_who(r) for r in _in_order(facts, own)):
        # Of several runs of one pair the last; of other words the longest.
        first = [r for r in own if _who(r) == (digest, policy)][-1]
        said = {
            r["instruction"]: r
            for r in sorted(others, key=lambda r: len(r["episodes"]))
            if _who(r) == (digest, policy) and r["nfe"] == first["nfe"]
        }
        cloned = first.actor == CLONING
        name = f"behaviour cloning, `{digest[:12]}`" if cloned else _named(facts[digest])
        plan = "-" if cloned else steps_told(first["nfe"])
        cells = [count(said[name]["episodes"]) if name in said else "-" for name in SAID if name != "own"]
        episodes = first["episodes"]
        rows.append(
            [name, policy or "its bundle's", plan, count(episodes), interval(episodes), endings(episodes), *cells]
        )
        used += [first, *said.values()]
    columns = ["planner", "policy", "a plan", "done", "95 % interval", "failures", *list(SAID.values())[1:]]
    return markdown(columns, rows), used


def _who(result: Result) -> tuple[str, str | None]:
    return result["hashes"]["checkpoint"], result.content.get("policy")


def _in_order(facts: Mapping[str, dict[str, Any]], results: Sequence[Result]) -> list[Result]:
    """As the checkpoints were timed; behaviour cloning last."""
    order = list(facts)
    place = {digest: number for number, digest in enumerate(order)}
    return sorted(results, key=lambda r: (r.actor == CLONING, place.get(r["hashes"]["checkpoint"], len(order))))


def _foreseen(facts: Mapping[str, dict[str, Any]], motions: Sequence[Result]) -> str:
    rows = []
    for digest, fact in facts.items():
        for result in (r for r in motions if r["hashes"]["checkpoint"] == digest):
            name = f"{_named(fact)}, {steps_told(result['nfe'])}"
            rows += _figures(result, {NAMES["planner"]: name, NAMES["another"]: f"{name}, {NAMES['another']}"})
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
            _named(facts[row["name"]]), f"{facts[row['name']]['parameters'] / 1e6:.1f} M", str(row["samples"]),
            f"{row['plan_ms']:.0f} ({row['plan_cpu_ms']:.0f})", f"{row['update_ms']:.0f} ({row['update_cpu_ms']:.0f})",
            f"{row['ratio']:.2f}",
        ]
        for row in bench["rows"]
    ]  # fmt: skip
    return markdown(["planner", "parameters", "futures", "first plan, ms", "a step later, ms", "x"], rows)
