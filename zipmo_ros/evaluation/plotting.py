"""What the commands find, as PNGs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


def _figure(width: float, height: float) -> Figure:
    """Without pyplot, which would look for a display and keep every figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Without matplotlib's version in it: the same figure, the same file."""
    figure.savefig(path, dpi=dpi, metadata={"Software": None})


def plot_metrics(lines: list[dict[str, float]], path: Path) -> None:
    """One panel for the loss, one for every validation figure; `lines` as MetricsLog.read returns them."""
    names = ["loss", *sorted({name for line in lines for name in line if name.startswith("validation/")})]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = _figure(4 * columns, 2.6 * rows)
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, number + 1)
        points = [(line["step"], line[name]) for line in lines if name in line]
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None, linewidth=1) if points else None
        if name == "loss" and points and min(value for _, value in points) > 0:
            axes.set_yscale("log")
        axes.set_title(name.removeprefix("validation/"), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    _save(figure, path, dpi=90)


def plot_bench(report: dict, path: Path) -> None:
    """A row a size: latency of a plan by its steps, and what undoing each saving costs; `zipmo bench`'s report."""
    sizes, host = report["sizes"], report["machine"]
    which = "cpu_ratio" if host["device"] == "cpu" else "ratio"  # the steadier one, where the work is the CPU's
    figure = _figure(11, 3.4 * len(sizes))
    panels = figure.subplots(len(sizes), 2, squeeze=False)
    for (size, result), (latency, ratio) in zip(sizes.items(), panels, strict=True):
        variants = list(dict.fromkeys(row["variant"] for row in result["plans"]))
        steps = list(dict.fromkeys(row["nfe"] for row in result["plans"]))
        cell = {(row["variant"], row["nfe"]): row for row in result["plans"]}
        for variant, colour in ((variants[0], "tab:blue"), (variants[-1], "tab:gray")):
            p50, p95 = ([cell[variant, n][key] for n in steps] for key in ("p50_ms", "p95_ms"))
            latency.plot(steps, p50, marker="o", color=colour, label=f"{variant}, p50")
            latency.plot(steps, p95, marker="_", color=colour, linestyle=":", label=f"{variant}, p95")
        latency.set(title=f"{size}: a plan", xlabel="network evaluations", ylabel="ms", ylim=(0, None))
        latency.legend(fontsize=7)
        height = 0.8 / len(steps)
        for i, n in enumerate(steps):
            places = [j + (i - (len(steps) - 1) / 2) * height for j in range(1, len(variants))]
            ratio.barh(places, [cell[v, n][which] for v in variants[1:]], height, label=f"{n} evaluations")
        ratio.axvline(1, color="black", linewidth=0.8)
        least = 0.9 if min(row[which] for row in result["plans"]) > 0.9 else 0  # engines are quicker than full
        ratio.set_yticks(range(1, len(variants)), variants[1:], fontsize=8)
        ratio.set(title=f"{size}: {'CPU ' if which == 'cpu_ratio' else ''}time relative to full", xlim=(least, None))
        ratio.invert_yaxis()
        ratio.legend(fontsize=7)
    for axes in panels.flat:
        axes.grid(alpha=0.3)
    title = f"{host['cpu']}, {host['threads']} threads, load {host['load_average']}, {report['date'][:10]}"
    figure.suptitle(title, fontsize=8)
    _save(figure, path)


def plot_failures(report: dict, path: Path) -> None:
    """A bar a task: shares of its episodes by how they ended; `report` as zipmo eval writes it."""
    plot_endings({task: [e for e in report["episodes"] if e["task"] == task] for task in report["tasks"]}, path)


def plot_endings(groups: dict[str, list[dict]], path: Path, title: str = "") -> None:
    """A bar a group of episodes: shares by how they ended; episodes as in the files of zipmo eval."""
    from zipmo_sim.failures import CATEGORIES

    bars = dict(zip(CATEGORIES, ("tab:purple", "0.35", "tab:red", "tab:orange", "gold", "tab:blue"), strict=True))
    # "failure": of a suite that does not tell them apart
    bars = {"success": "tab:green", **bars, "failure": "0.6", "crash": "black"}
    figure = _figure(8, 1.2 + 0.35 * len(groups))
    axes = figure.add_subplot()
    ends = {
        name: ["crash" if e["error"] else "success" if e["success"] else e["failure"] or "failure" for e in episodes]
        for name, episodes in groups.items()
    }
    left = dict.fromkeys(groups, 0.0)
    for label, colour in bars.items():
        shares = [ends[name].count(label) / len(ends[name]) for name in groups]
        if any(shares):
            axes.barh(list(groups), shares, left=list(left.values()), color=colour, label=label.replace("_", " "))
        left = {name: start + share for (name, start), share in zip(left.items(), shares, strict=True)}
    axes.set(xlim=(0, 1), xlabel="share of episodes")
    axes.set_title(title, fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8)
    _save(figure, path)


def plot_tasks(panels: Mapping[str, Mapping[str, Sequence[dict]]], path: Path) -> None:
    """A panel a suite: success of each task by what was changed, with Wilson's 95 % intervals.

    panels: {suite: {what: episodes}}; episodes as in the files of zipmo eval.
    """
    from zipmo_ros.evaluation.outcomes import wilson_interval

    tasks = {suite: list(dict.fromkeys(e["task"] for several in columns.values() for e in several))
             for suite, columns in panels.items()}  # fmt: skip
    figure = _figure(9, 1 + 0.12 * sum(len(tasks[suite]) * (1 + len(panels[suite])) for suite in panels))
    heights = [max(1, len(tasks[suite]) * (1 + len(panels[suite]))) for suite in panels]
    colours = {name: f"C{i}" for i, name in enumerate(dict.fromkeys(n for columns in panels.values() for n in columns))}
    for axes, (suite, columns) in zip(
        figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0], panels.items(), strict=True
    ):
        for number, (name, episodes) in enumerate(columns.items()):
            for row, task in enumerate(tasks[suite]):
                ended = [e["success"] for e in episodes if e["task"] == task and e["error"] is None]
                if not ended:
                    continue
                share, place = sum(ended) / len(ended), row * (1 + len(columns)) + number
                low, high = wilson_interval(sum(ended), len(ended))
                axes.barh(place, share, color=colours[name], alpha=0.5, label=name if row == 0 else None)
                axes.plot([low, high], [place] * 2, color=colours[name], linewidth=1.2)
        middle = (len(columns) - 1) / 2
        places = [row * (1 + len(columns)) + middle for row in range(len(tasks[suite]))]
        axes.set_yticks(places, [task[:70] for task in tasks[suite]], fontsize=6)
        axes.set(xlim=(0, 1), title=suite)
        axes.invert_yaxis()
        axes.legend(fontsize=6, loc="lower right")
    _save(figure, path)


def plot_motion(report: dict, path: Path) -> None:
    """A panel a view: how far off moving points are, by control steps ahead; `report` as zipmo motion writes it."""
    from zipmo_ros.evaluation.results import steps_told

    looks = {
        "planner": ("tab:blue", "-"), "another": ("tab:blue", ":"), "reconstruction": ("tab:green", "--"),
        "neighbour": ("tab:orange", "-"), "velocity": ("tab:red", "-"), "still": ("0.5", ":"),
    }  # fmt: skip
    growth = report["growth"]
    views = list(growth["planner"])
    figure = _figure(4.5 * len(views), 3.4)
    for axes, view in zip(figure.subplots(1, len(views), squeeze=False)[0], views, strict=True):
        for predictor in growth:
            colour, line = looks[predictor]
            axes.plot(growth[predictor][view], color=colour, linestyle=line, marker=".", label=predictor)
        axes.set(title=view.replace("_", " "), xlabel="control steps ahead", ylabel="px of 128", ylim=(0, None))
        axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    drawn = f"{steps_told(report['nfe'])}, mean of {report['samples']} samples"
    figure.suptitle(f"moving points, {report['windows']} windows, {drawn}", fontsize=8)
    _save(figure, path)


def plot_steps(runs: list[tuple[int, list[dict], float | None]], path: Path, title: str) -> None:
    """Success with its 95 % interval, and latency where known; runs: (Euler steps, episodes, ms a plan)."""
    from zipmo_ros.evaluation.outcomes import wilson_interval

    figure = _figure(8, 3.2)
    success, latency = figure.subplots(1, 2)
    for steps, episodes, _ in runs:
        ended = [episode["success"] for episode in episodes if episode["error"] is None]
        low, high = wilson_interval(sum(ended), len(ended))
        success.plot([steps, steps], [100 * low, 100 * high], color="tab:blue", linewidth=2)
        if ended:
            success.plot(steps, 100 * sum(ended) / len(ended), marker="o", color="tab:blue")
    success.set(xlabel="Euler steps of a plan", ylabel="success, % (95 % interval)", ylim=(0, 103))
    known = [(steps, ms) for steps, _, ms in runs if ms is not None]
    latency.plot([steps for steps, _ in known], [ms for _, ms in known], marker="o", color="tab:orange")
    latency.set(xlabel="Euler steps of a plan", ylabel="median of a plan, ms", ylim=(0, None))
    for axes in (success, latency):
        axes.set_xlim(0, max(steps for steps, _, _ in runs) + 1)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize=9)
    _save(figure, path)


def plot_refusals(report: dict, path: Path) -> None:
    """Refused of what can't be done, by kind, against refused of what can; `report` as zipmo sentences writes it."""
    from zipmo_ros.contract.plan import UNDERSTOOD
    from zipmo_ros.data.grammar import IMPOSSIBLE

    curve = report["curve"]
    false = [100 * point["false_refusals"] for point in curve]
    figure = _figure(5, 4)
    axes = figure.add_subplot()
    for kind in (kind for kind in IMPOSSIBLE if kind in report["kinds"]):
        sure = [row["understood"] for row in report["rows"] if row["kind"] == kind]
        shares = [100 * sum(value < point["least"] for value in sure) / len(sure) for point in curve]
        axes.plot(false, shares, linewidth=0.8, label=kind.replace("_", " "))
    refused = [100 * point["refused"] for point in curve]
    axes.plot(false, refused, color="black", label="all")
    chosen = next(at for at, point in enumerate(curve) if point["least"] == UNDERSTOOD)
    axes.plot(false[chosen], refused[chosen], "ko", label="as calibrated")
    axes.set(xlabel="refused of what can be done, %", ylabel="refused of what can't, %", xlim=(-1, 30), ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    axes.set_title(f"{report['suite']}, {report['family']} wordings", fontsize=9)
    _save(figure, path)


def plot_replay(report: dict, path: Path) -> None:
    """A panel a topic: how far each message is from what was recorded, in order; `report` as zipmo replay writes it."""
    topics = report["topics"]
    figure = _figure(9, 2.2 * len(topics))
    for axes, (topic, row) in zip(figure.subplots(len(topics), 1, squeeze=False)[:, 0], topics.items(), strict=True):
        gaps = row["differences"]
        axes.plot(gaps, marker=".", linestyle="none", markersize=3)
        if least := min((gap for gap in gaps if gap > 0), default=0.0):
            axes.set_yscale("symlog", linthresh=least)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{topic}: {row['identical']} of {row['count']} identical", fontsize=8)
        axes.set_ylabel("largest difference", fontsize=7)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    axes.set_xlabel("message of the recording", fontsize=7)
    figure.suptitle(f"{report['bag']}, {'as recorded' if report['same'] else ', '.join(report['changed'])}", fontsize=8)
    _save(figure, path)


def plot_latency(report: dict, path: Path) -> None:
    """A line a strategy by latency: success with its interval, time and jerk of those that succeeded; dashed: jittered.

    `report` as zipmo latency writes it.
    """
    cells = report["cells"]
    places = {ms: place for place, ms in enumerate(sorted({cell["latency_ms"] for cell in cells}))}
    colours = dict(zip(dict.fromkeys(cell["execution"] for cell in cells),
                       ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple"), strict=False))  # fmt: skip
    figure = _figure(12, 3.8)
    success, seconds, jerk = figure.subplots(1, 3)
    for number, (name, jitter) in enumerate(dict.fromkeys((c["execution"], c["latency_jitter"]) for c in cells)):
        # Without latency there is no jitter: both lines begin there.
        line = [c for c in cells if c["execution"] == name and (c["latency_jitter"] == jitter or not c["latency_ms"])]
        line.sort(key=lambda cell: cell["latency_ms"])
        style = {"color": colours[name], "linestyle": "--" if jitter else "-", "marker": "o", "markersize": 4}
        label = f"{name}, +-{100 * jitter:.0f} %" if jitter else name
        x = [places[cell["latency_ms"]] + 0.04 * (number - 2) for cell in line]
        success.plot(x, [100 * (cell["success_rate"] or 0) for cell in line], label=label, **style)
        for place, cell in zip(x, line, strict=True):
            success.plot([place] * 2, [100 * edge for edge in cell["wilson95"]], color=colours[name], linewidth=1)
        for axes, key, scale in ((seconds, "median_steps", report["period_s"]), (jerk, "jerk", 1)):
            known = [(place, scale * cell[key]) for place, cell in zip(x, line, strict=True) if cell[key] is not None]
            axes.plot(*zip(*known, strict=True), **style) if known else None
    success.set(ylabel="success, % (95 % interval)", ylim=(-2, 103))
    seconds.set(ylabel="median time to done, s", ylim=(0, None))
    jerk.set(ylabel="jerk of the commanded hand, m/s^3", ylim=(0, None))
    for axes in (success, seconds, jerk):
        axes.set_xticks(list(places.values()), [f"{ms:g}" for ms in places])
        axes.set(xlabel="latency of a plan, ms")
        axes.grid(alpha=0.3)
    success.legend(fontsize=7)
    _save(figure, path)


def plot_calibration(report: dict, path: Path) -> None:
    """How far the hand has come while an offset was kept ahead of it, in offsets; `zipmo calibrate`'s report."""
    figure = _figure(9, 3.6)
    panels = figure.subplots(1, 2)
    for panel, part in zip(panels, ("translation", "rotation"), strict=True):
        for name, colour in (("trained", "tab:gray"), ("arm", "tab:blue")):
            measured = report[name]
            if measured is None:
                continue
            axes = list(measured["axes"].values())[slice(0, 3) if part == "translation" else slice(3, 6)]
            for response, line in zip(axes, ("-", "--", ":"), strict=True):
                label = f"{name}, {response['axis']}: {response['gain']:.1f} 1/s, {response['lag_s'] * 1e3:.0f} ms"
                panel.plot(response["times"], response["ways"], line, color=colour, label=label)
        panel.set(title=part, xlabel="s since the goal was moved", ylabel="way, in offsets")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    _save(figure, path)


def plot_loop(report: dict, path: Path) -> None:
    """A bar a control period, stacked by where its time went, and the medians; `zipmo bench loop`'s report."""
    each, parts = report["each"], report["parts"]
    colours = {"planner": "#4c72b0", "policy": "#55a868", "simulator": "#8c8c8c", "rendering": "#bfbfbf"}
    warm = iter(("#c44e52", "#dd8452", "#e5ae38", "#f0d58c", "#937860"))
    looks = {name: colours.get(name) or next(warm) for name in parts}
    figure = _figure(11, 4.2)
    bars, medians = figure.subplots(1, 2, width_ratios=(4, 1), sharey=True)
    bottom = [0.0] * len(each)
    height = 0.0
    for name, colour in looks.items():
        values = [period[name] for period in each]
        bars.bar(range(len(each)), values, 1.0, bottom, color=colour, label=name)
        bottom = [low + value for low, value in zip(bottom, values, strict=True)]
        medians.bar(0, parts[name]["p50_ms"], 0.6, height, color=colour)
        height += parts[name]["p50_ms"]
    bars.set(xlabel="control period", ylabel="ms", xlim=(-0.5, len(each) - 0.5))
    bars.set_ylim(0, 1.3 * report["period"]["p95_ms"])
    medians.set(xlabel="medians", xticks=[])
    figure.legend(*bars.get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=7)
    overhead, host = report["overhead"]["p50_ms"], report["machine"]
    figure.suptitle(
        f"loop itself {overhead:.2f} ms at the median; {host['cpu']}, load {host['load_average']}", fontsize=8
    )
    _save(figure, path)


def plot_faults(report: dict, path: Path) -> None:
    """A line a kind of faults: seconds until the hand was braked, how long silence had to last, and the budget.

    `report` as zipmo faults writes it.
    """
    colours = {"stop": "tab:blue", "nobody left": "tab:red", "either": "tab:orange", "go on": "0.6"}
    kinds = [kind for kind in report["kinds"] if kind["braked_s"] is not None]
    figure = _figure(10, 1.5 + 0.2 * len(kinds))
    axes = figure.add_subplot()
    for place, kind in enumerate(kinds):
        found = [f for f in report["findings"] if f["kind"] == kind["kind"] and f["braked_s"] is not None]
        axes.plot([kind["wait_s"]] * 2, [place - 0.4, place + 0.4], color="0.4", linewidth=1)
        axes.plot([max(f["budget_s"] for f in found)] * 2, [place - 0.4, place + 0.4], color="tab:red", linewidth=1)
        axes.plot([f["braked_s"] for f in found], [place] * len(found), marker="|", linestyle="none",
                  color=colours[kind["expected"]])  # fmt: skip
    axes.set_yticks(range(len(kinds)), [kind["kind"] for kind in kinds], fontsize=7)
    axes.set(
        xlabel="s from the fault until the hand is braked (grey: when it can be known, red: the budget)", xlim=(0, None)
    )
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    total = report["summary"]
    title = f"{report['rig']}: {total['injections']} injections, {total['unsafe']} unsafe, load {total['load']}"
    axes.set_title(title, fontsize=9)
    _save(figure, path)


def plot_robustness(report: dict, path: Path) -> None:
    """A line a perturbation: success and its interval by strength; grey: unchanged. `zipmo robustness`'s report."""
    unchanged, *rows = report["rows"]
    names = list(dict.fromkeys(row["perturb"] for row in rows))
    strengths = sorted({row["strength"] for row in rows})
    figure = _figure(8, 1.5 + 0.32 * len(names))
    axes = figure.add_subplot()
    axes.axvspan(*(100 * edge for edge in unchanged["wilson95"]), color="0.9")
    axes.axvline(100 * (unchanged["success_rate"] or 0), color="0.5", linewidth=1)
    for number, strength in enumerate(strengths):
        mine = [row for row in rows if row["strength"] == strength]
        places = [names.index(row["perturb"]) + 0.25 * (number - (len(strengths) - 1) / 2) for row in mine]
        for place, row in zip(places, mine, strict=True):
            axes.plot([100 * edge for edge in row["wilson95"]], [place] * 2, color=f"C{number}", linewidth=1.5)
        done = [100 * (row["success_rate"] or 0) for row in mine]
        axes.plot(done, places, "o", color=f"C{number}", markersize=4, label=f"strength {strength:g}")
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
    axes.set(xlabel="success, % (95 % interval); grey: unchanged", xlim=(-2, 103))
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    _save(figure, path)


def plot_frames(frames: dict[str, list[np.ndarray | None]], path: Path) -> None:
    """A sheet of images: a row a name, a column a scene; None leaves a gap."""
    columns = max(map(len, frames.values()))
    figure = _figure(3.2 * columns, 1.65 * len(frames))
    panels = figure.subplots(len(frames), columns, squeeze=False)
    for (name, images), row in zip(frames.items(), panels, strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.axis("off")
            if image is not None:
                axes.imshow(image, interpolation="nearest")
        row[0].set_title(name.replace("_", " "), fontsize=8, loc="left", pad=2)
    _save(figure, path)


def plot_captioned(frames: Sequence[tuple[str, np.ndarray]], path: Path, columns: int = 3) -> None:
    """A sheet of (caption, image)."""
    rows = -(-len(frames) // columns)
    figure = _figure(3.2 * columns, 1.8 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, (caption, image) in zip(panels, frames, strict=False):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(caption, fontsize=5, loc="left", pad=2)
    _save(figure, path, dpi=120)
