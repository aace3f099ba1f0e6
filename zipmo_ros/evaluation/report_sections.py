"""The sections of docs/results.md. Each takes the result files, and gives a section wherever its files are there."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zipmo_ros.contract.camera import IMAGE_SIZE
from zipmo_ros.contract.plan import HORIZON
from zipmo_ros.contract.splits import BY_NAME, CHOSEN_ON
from zipmo_ros.evaluation.gallery import plot_gallery
from zipmo_ros.evaluation.motion_report import (
    AUTOENCODER_COLUMNS,
    DELTA_COLUMNS,
    autoencoder_rows,
    delta_rows,
    opening_told,
    prediction_rows,
    report_points,
    report_views,
    whn_told,
)
from zipmo_ros.evaluation.plotting import plot_bench, plot_endings, plot_motion, plot_steps
from zipmo_ros.evaluation.protocols import OWN
from zipmo_ros.evaluation.results import (
    USUAL_TIMING,
    Result,
    conditions,
    count,
    embedded,
    endings,
    episodes_of,
    finished,
    grouped,
    interval,
    markdown,
    protocol_of,
    seeds_told,
    sentence_interval,
    share,
    sources,
    states_told,
    steps_told,
    suite_title,
    timing,
    unusual_conditions,
)
from zipmo_ros.evaluation.runners import MODELLESS
from zipmo_sim.suites import suite_entry
from zipmo_sim.task import SETTLING, SETTLINGS

RUNGS = {
    "expert": "the scripted expert",
    "tracks": "the policy, on embeddings of the expert's own future",
    "plans": "the expert; the policy on the planner's embeddings is compared",
    "followed": "planner and policy; the simulator follows the planner's points",
    "none": "planner and policy",
    "bc": "behaviour cloning, without a motion plan",
    "zeroed": "the policy, on embeddings of zeros",
    "replay": "nobody: one demonstration, replayed blindly",
}
METRICS = (
    "A cell is MSE / ADE / FDE: squared error (px^2, mean over points, steps and both coordinates), mean distance over "
    "the steps, distance at the last one. With k plans a window: the mean over them, and the best of them."
)
PREDICTIONS = (
    "`told another sentence`: the planner, told another sentence of the scene; one that reads is farther off then. "
    "`reconstruction` is the true motion through the autoencoder: what a perfect plan would give. `nearest neighbour`: "
    "the motion of the training window that looks most alike and was told the same sentence. `constant velocity`: "
    "every point goes on as the nearest one whose past is known. The paper's figures of this kind are of other data, "
    "tracks and thresholds."
)
SAID = {"own": "its own sentence", "paraphrase": "reworded", "swap": "the hand at another's thing"}


@dataclass(frozen=True)
class Section:
    """body: Markdown without the title. used: the files that it tells."""

    title: str
    body: str
    used: tuple[Result, ...]


def setting_of(result: Result) -> tuple:
    """What two evaluations must share to be compared in one table, besides what the table is about."""
    keys = ("suite", "seed", "replan_every", "ensemble")
    under = tuple(conditions(result).values())
    return (*(result[key] for key in keys), under, result["hashes"]["assets"], protocol_of(result).name)


def _whole(results: list[Result]) -> list[Result]:
    """Evaluations of planner and policy, told their own sentence."""
    return [result for result in results if (result.actor, result["instruction"]) == ("none", "own")]


Unusual = Callable[[Result], int]


def deviations(results: list[Result], usual: Mapping[str, Any]) -> Unusual:
    """Counts how many of the settings that a figure depends on are not the command's own, which `usual` holds.

    Euler steps: those of the checkpoint, which are those of its evaluations that did not ask for a number.
    """
    own = {r["hashes"]["checkpoint"]: r["nfe"] for r in results if not _named("nfe", r["command"])}

    def unusual(result: Result) -> int:
        steps = own.get(result["hashes"]["checkpoint"], result["nfe"])
        return (result["nfe"] != steps) + sum(result[key] != usual[key] for key in ("replan_every", "ensemble", "seed"))

    return unusual


def _named(key: str, command: str) -> bool:
    return any(word.lstrip("-+").partition("=")[0] == key for word in shlex.split(command))


def _replay(results: list[Result], result: Result) -> Result | None:
    """The longest run in which a demonstration was replayed, of the same protocol and images."""
    alike = [r for r in results if all(r[key] == result[key] for key in ("protocol", "suite"))]
    found = [r for r in alike if r.actor == "replay" and r["hashes"]["assets"] == result["hashes"]["assets"]]
    return max(found, key=lambda r: len(r["episodes"]), default=None)


def suites(results: list[Result], folder: Path, unusual: Unusual, files: Path) -> Iterator[Section]:
    """Success by task: of each suite, protocol and checkpoint one evaluation.

    The one with the command's own settings, then the one with most episodes, then over ROS. files: folder of the
    results, for what lies beside them.
    """
    chosen = [r for r in _whole(results) if r["states"] not in CHOSEN_ON and timing(r) == USUAL_TIMING]
    for group in grouped(chosen, lambda r: (r["protocol"], r["hashes"]["checkpoint"], r["hashes"]["assets"])):
        result = min(group, key=lambda r: (unusual(r), -len(r["episodes"]), r["via"] != "ros", r.name))
        limit = f"{result['max_steps']} steps" if result["max_steps"] else "the suite's own number of steps"
        how = "through the ROS graph in lockstep" if result["via"] == "ros" else "in lockstep without ROS"
        often = "step" if result["replan_every"] == 1 else f"{result['replan_every']} steps"
        about = (
            f"Planner and policy, told each task's own sentence, {how}; {states_told(result)}; at most {limit}. "
            f"A plan takes {steps_told(result['nfe'])}, a new one is made every {often}, "
            f"ensembling {result['ensemble']}, {seeds_told(result)}."
        )
        # Of how long and from where, the sentences above tell.
        odd = [name for name in unusual_conditions(result) if name not in ("max_steps", "states")]
        about += f" **Not as usual: {', '.join(f'`{name}={result[name]}`' for name in odd)}.**" if odd else ""
        entry, replay = suite_entry(result["suite"]), _replay(results, result)
        about += f" {entry.caveat}" if entry.caveat else ""
        about += f" {_differences(result)}" if entry.libero else ""
        if replay:
            about += " Replay: the actions of one demonstration of the expert, from a training state, played blindly."
        elif entry.expert:
            about += " How far replaying one demonstration blindly gets (`oracle=replay`) was not measured."
        used = (result, replay) if replay else (result,)
        parts, picture = [about, _by_task(result, replay)], folder / f"failures-{result.name}.png"
        if plot_gallery(files / f"{result.name}.json", result["episodes"], picture):
            parts.append(embedded(picture, "last frames of failures"))
        body = "\n\n".join([*parts, sources(*used)])
        yield Section(f"Success on {suite_title(result)}{', not as usual' if odd else ''}", body, used)


def _differences(result: Result) -> str:
    """By which protocol a figure on LIBERO is, and how it differs from what the reference's are of."""
    protocol = protocol_of(result)
    if protocol.name != OWN:
        otherwise = "; ".join(protocol.otherwise)
        return f"Protocol `{result['protocol']}`: {protocol.about}. Not as there: {otherwise}."
    reference = {"max_steps": 600, "nfe": 10, "replan_every": 1, "ensemble": "official"}
    given = {**result.content, "max_steps": result["max_steps"] or suite_entry(result["suite"]).max_steps}
    other = [f"{name} {given[name]} ({value})" for name, value in reference.items() if given[name] != value]
    settling, states = SETTLINGS[result.content.get("settle") or SETTLING], BY_NAME.get(result["states"])
    other += [f"{settling.steps} settle steps (5)"] if settling.steps != 5 else []
    told = [*other, f"states {states[0]}-{states[-1]} (all 50)"] if states else other
    return f"Not the protocol of the paper's figures, which is in brackets: {', '.join(told)}."


def _by_task(result: Result, replay: Result | None) -> str:
    """The table of `suites`; `replay` adds a column."""
    columns = ["task", "done", "success", "95 % interval", "median steps", "failures", *(["replay"] if replay else [])]
    rows = []
    for name in (*result["tasks"], None):
        mine, blind = ([e for e in r["episodes"] if name in (None, e["task"])] if r else [] for r in (result, replay))
        steps = str(result["tasks"][name]["median_steps"]) if name else ""
        figures = [count(mine), share(mine), interval(mine), steps, endings(mine)]
        rows.append([name or "**all tasks**", *figures, *([count(blind)] if replay else [])])
    return markdown(columns, rows)


def words(results: list[Result], folder: Path) -> Iterator[Section]:
    """The same tasks, told in other words or in the set-up of another task."""
    # Told another task as long as that meant the same as its own sentence: not comparable with what it means now.
    old = [r for r in results if r["instruction"] == "swap" and "approach" not in r["protocol"]]
    told = [r for r in results if r.actor == "none" and r["instruction"] in SAID and r not in old]
    for group in grouped(told, lambda r: (*setting_of(r), r["hashes"]["checkpoint"], r["nfe"], r["via"])):
        # Of runs that were told alike, the one with most episodes.
        said = {result["instruction"]: result for result in sorted(group, key=lambda r: len(r["episodes"]))}
        if len(said) < 2:
            continue
        said = {name: said[name] for name in SAID if name in said}
        first = next(iter(said.values()))
        tasks = list(dict.fromkeys(name for result in said.values() for name in result["tasks"]))
        rows = [
            [name, *(count([e for e in r["episodes"] if e["instructed_task"] == name]) for r in said.values())]
            for name in tasks
        ]
        rows.append(["**all tasks**", *(count(r["episodes"]) for r in said.values())])
        rows.append(["95 % interval", *(interval(r["episodes"]) for r in said.values())])
        over_sentences = [sentence_interval(r["episodes"]) for r in said.values()]
        if set(over_sentences) != {"-"}:
            rows.append(["95 % interval over sentences (different ones)", *over_sentences])
        about = (
            f"The sentence is all that tells a task from its neighbours in the same scene. Done: what the sentence "
            f"names; {states_told(first)}."
        )
        if "paraphrase" in said:
            about += (
                f" Reworded: sentences that training cannot say; how near they are to those that it can, "
                f"`config/paraphrases/{first['suite']}.yaml` tells. Episodes of one sentence may succeed and fail "
                "together, so its interval is over sentences too: Wilson's, the episodes divided by the design effect."
            )
        if "swap" in said:
            about += (
                f" {SAID['swap'].capitalize()}: it starts where the expert of another task of the scene is about to "
                "touch its thing, and episodes go on to the step limit; that other task got done in "
                f"{count(said['swap']['episodes'], 'original_success')}, with or without the named one."
            )
        table = markdown(["task", *(SAID[name] for name in said)], rows)
        yield Section(f"Whether words steer it: {suite_title(first)}",
                      f"{about}\n\n{table}\n\n{sources(*said.values())}", tuple(said.values()))  # fmt: skip


def ladders(results: list[Result], folder: Path, unusual: Unusual) -> Iterator[Section]:
    """Parts replaced by the truth, on the same episodes."""
    own = [result for result in results if result["instruction"] == "own" and result.actor in RUNGS]
    for group in grouped(own, lambda r: (*setting_of(r), episodes_of(r))):
        experts = [result for result in group if result.actor in MODELLESS]
        others = [result for result in group if result.actor not in MODELLESS]
        for rungs in grouped(others, lambda r: (r["hashes"]["checkpoint"], r["nfe"])):
            # Of runs that differ in `via` alone, the direct one: as the other rungs.
            found = {r.actor: r for r in sorted([*experts, *rungs], key=lambda r: r["via"] == "direct")}
            if len(found) < 2:
                continue
            if set(found) <= {*MODELLESS, "none"} and unusual(found["none"]):
                continue  # of a sweep over settings: the expert is no rung of each
            yield _ladder({name: found[name] for name in RUNGS if name in found}, folder)


def _ladder(rungs: dict[str, Result], folder: Path) -> Section:
    first = next(iter(rungs.values()))
    rows = []
    for name, result in rungs.items():
        acts, error = name != "plans", result.content.get("action_error")
        figures = [f(result["episodes"]) for f in (count, interval, endings)] if acts else ["-", "-", ""]
        rows.append([name, RUNGS[name], *figures, "-" if error is None else f"{error:.3f}"])
    title = f"Which part loses episodes: {suite_title(first)}"
    picture = folder / f"ladder-{rungs.get('none', first).name}.png"
    plot_endings({name: r["episodes"] for name, r in rungs.items() if name != "plans"}, picture, title)
    about = (
        f"Parts replaced by what the simulator knows, each rung on the same {len(first['episodes'])} episodes; "
        f"{states_told(first)}. `plans` executes the expert's actions, so its figure is no success rate but how far "
        "the policy's action, on the planner's embedding, is from the expert's (mean L1, in units of action)."
    )
    if "bc" in rungs:
        about += (
            " Where `bc` differs from `none` in more than the motion plan (losses, time of training, whose "
            "demonstrations: see the checkpoint's card), the two rungs do not measure what the plan is worth."
        )
    columns = ["rung", "who acts", "done", "95 % interval", "failures", "action error"]
    body = f"{about}\n\n{markdown(columns, rows)}\n\n{embedded(picture, title)}\n\n{sources(*rungs.values())}"
    return Section(title, body, tuple(rungs.values()))


def euler_steps(results: list[Result], benches: list[Result], folder: Path) -> Iterator[Section]:
    """Success and latency by the Euler steps of a plan."""
    latencies = [(row["nfe"], row["p50_ms"], bench) for bench in benches if "nano" in bench["sizes"]
                 for row in bench["sizes"]["nano"]["plans"] if row["variant"] == "full"]  # fmt: skip
    # Of several measurements the quickest: something else ran beside the others.
    measured = {nfe: (ms, bench) for nfe, ms, bench in sorted(latencies, key=lambda row: row[1], reverse=True)}
    stepping = [result for result in _whole(results) if result["nfe"] is not None]
    for group in grouped(stepping, lambda r: (*setting_of(r), r["hashes"]["checkpoint"], r["via"], episodes_of(r))):
        runs = {result["nfe"]: result for result in sorted(group, key=lambda r: r["nfe"])}
        if len(runs) < 2:
            continue
        first = next(iter(runs.values()))
        rows, points = [], []
        for nfe, result in runs.items():
            took = [e["plan_ms"] for e in finished(result["episodes"]) if e["plan_ms"] is not None]
            loop = statistics.median(took) if took else None
            alone = measured[nfe][0] if nfe in measured else None
            cells = ("-" if ms is None else f"{ms:.1f}" for ms in (loop, alone))
            rows.append([str(nfe), *(tell(result["episodes"]) for tell in (count, share, interval)), *cells])
            points.append((nfe, result["episodes"], loop if alone is None else alone))
        title = f"Euler steps of a plan: {suite_title(first)}"
        picture = folder / f"steps-{first.name}.png"
        plot_steps(points, picture, title)
        benched = tuple({bench.name: bench for nfe, (_, bench) in measured.items() if nfe in runs}.values())
        about = (
            f"More steps follow the flow more exactly and take longer. The same {len(first['episodes'])} episodes for "
            f"each; {states_told(first)}. Latency: median time of a plan in the loop, with whatever else ran beside "
            "it, and by itself (`zipmo bench plan`)."
        )
        columns = ["Euler steps", "done", "success", "95 % interval", "a plan in the loop, ms", "by itself, ms"]
        used = (*runs.values(), *benched)
        body = f"{about}\n\n{markdown(columns, rows)}\n\n{embedded(picture, title)}\n\n{sources(*used)}"
        yield Section(title, body, used)


def savings(benches: list[Result], folder: Path) -> Iterator[Section]:
    """Latency of a plan, and what undoing each saving costs, as ratios."""
    for bench in benches:
        parts = [
            "Latency of one plan, batch 1. Each thing that is computed once, in place of at every step, is undone by "
            "itself and then all together; the ratio is its time over the time with all savings, the median over "
            "repetitions taken in turn (in brackets: of CPU time)."
        ]
        for size, result in bench["sizes"].items():
            steps = list(dict.fromkeys(row["nfe"] for row in result["plans"]))
            cells = {(row["variant"], row["nfe"]): row for row in result["plans"]}
            variants = list(dict.fromkeys(row["variant"] for row in result["plans"]))
            rows = [["a plan, median ms", *(f"{cells['full', n]['p50_ms']:.1f}" for n in steps)],
                    ["a plan, 95th percentile ms", *(f"{cells['full', n]['p95_ms']:.1f}" for n in steps)]]  # fmt: skip
            for variant in variants[1:]:
                what = {**result["savings"], **result.get("columns", {})}.get(variant.removeprefix("without "))
                name = "without any: x" if variant == "plain" else f"{variant} ({what}): x"
                ratios = ((cells[variant, n]["ratio"], cells[variant, n]["cpu_ratio"]) for n in steps)
                rows.append([name, *(f"{wall:.2f} ({cpu:.2f})" for wall, cpu in ratios)])
            weights = f"checkpoint `{result['hash'][:12]}`" if result["hash"] else "random weights"
            about = f"{size}: {result['parameters'] / 1e6:.1f} M parameters, {weights}"
            table = markdown([f"{size}, by Euler steps", *map(str, steps)], rows)
            parts += [f"{about}, {result['repetitions']} repetitions.", table]
        host = bench["machine"]
        picture = folder / f"savings-{bench.name}.png"
        plot_bench(bench.content, picture)
        parts += [
            embedded(picture, "latency of a plan and the savings"),
            f"{host['device']}, torch {host['torch']}, {host['threads']} threads, load average {host['load_average']}.",
            sources(bench),
        ]
        title = f"Latency of a plan, and what the savings give: {', '.join(bench['sizes'])}"
        yield Section(title, "\n\n".join(parts), (bench,))


def motions(results: list[Result], folder: Path) -> Iterator[Section]:
    """Planner and autoencoder, or a planner of tracks, by themselves."""
    for result in results:
        report = result.content
        which = "windows of demonstrations held out of training" if report["held_out"] else "**training** windows"
        which += opening_told(report)
        parts = [
            f"Errors over the {HORIZON} control steps of {report['windows']} {which}, in pixels of the {IMAGE_SIZE} px "
            f"frames, on {report['points']['drawn']} points a view, drawn uniformly; "
            f"{steps_told(report['nfe'])}.",
            METRICS,
            PREDICTIONS,
            *([whn_told(report)] if whn_told(report) else []),
        ]
        views = report_views(report)
        for points in sorted(report_points(report), key=("moving", "all").index):
            tables = [prediction_rows(report, view, points) for view in views]
            rows = [[*lines[0][:2], *(" / ".join(line[2:]) for line in lines)] for lines in zip(*tables, strict=True)]
            parts.append(markdown([f"{points} points", "k", *(view.replace("_", " ") for view in views)], rows))
        if "deltas" in report:
            heads = {view: [view.replace("_", " "), *DELTA_COLUMNS[1:]] for view in views}
            parts += [markdown(columns, delta_rows(report, view)) for view, columns in heads.items()]
        picture = folder / f"motion-{result.name}.png"
        plot_motion(report, picture)
        parts.append(embedded(picture, "errors by control steps ahead"))
        if "autoencoder" in report:
            parts += [
                f"The autoencoder: {report['points']['encoded']} tracks a view in; error (mean distance) at those "
                "points and at others.",
                markdown(AUTOENCODER_COLUMNS, autoencoder_rows(report)),
            ]
        parts.append(sources(result))
        planner = f"The planner of {Path(report['checkpoint']).name}"
        who = "Planner and autoencoder" if "autoencoder" in report else planner
        yield Section(f"{who} alone: {', '.join(report['suites'])}", "\n\n".join(parts), (result,))
