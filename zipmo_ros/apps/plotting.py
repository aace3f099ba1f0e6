"""Curves of a training run as a PNG."""

from __future__ import annotations

from pathlib import Path


def plot_metrics(lines: list[dict[str, float]], path: Path) -> None:
    """One panel for the loss, one for every validation figure; `lines` as MetricsLog.read returns them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = ["loss", *sorted({name for line in lines for name in line if name.startswith("validation/")})]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for number, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, number + 1)
        points = [(line["step"], line[name]) for line in lines if name in line]
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None, linewidth=1) if points else None
        if name == "loss" and points and min(value for _, value in points) > 0:
            axes.set_yscale("log")
        axes.set_title(name.removeprefix("validation/"), fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)


def plot_bench(report: dict, path: Path) -> None:
    """A row a size: latency of a plan by its steps, and what undoing each saving costs; `zipmo bench`'s report."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes, host = report["sizes"], report["machine"]
    which = "cpu_ratio" if host["device"] == "cpu" else "ratio"  # the steadier one, where the work is the CPU's
    figure = Figure(figsize=(11, 3.4 * len(sizes)), layout="constrained")
    FigureCanvasAgg(figure)
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
        ratio.set_yticks(range(1, len(variants)), variants[1:], fontsize=8)
        ratio.set(title=f"{size}: {'CPU ' if which == 'cpu_ratio' else ''}time relative to full", xlim=(0.9, None))
        ratio.invert_yaxis()
        ratio.legend(fontsize=7)
    for axes in panels.flat:
        axes.grid(alpha=0.3)
    title = f"{host['cpu']}, {host['threads']} threads, load {host['load_average']}, {report['date'][:10]}"
    figure.suptitle(title, fontsize=8)
    figure.savefig(path, dpi=100)


def plot_failures(report: dict, path: Path) -> None:
    """A bar a task: shares of its episodes by how they ended; `report` as zipmo eval writes it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from zipmo_sim.failures import CATEGORIES

    tasks = report["tasks"]
    bars = dict(zip(CATEGORIES, ("0.35", "tab:red", "tab:orange", "gold", "tab:blue"), strict=True))
    # "failure": of a suite that does not tell them apart
    bars = {"success": "tab:green", **bars, "failure": "0.6", "crash": "black"}
    figure = Figure(figsize=(8, 1.2 + 0.35 * len(tasks)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    ends = {name: [] for name in tasks}
    for episode in report["episodes"]:
        end = "crash" if episode["error"] else "success" if episode["success"] else episode["failure"] or "failure"
        ends[episode["task"]].append(end)
    left = dict.fromkeys(tasks, 0.0)
    for label, colour in bars.items():
        shares = [ends[name].count(label) / len(ends[name]) for name in tasks]
        if any(shares):
            axes.barh(list(tasks), shares, left=list(left.values()), color=colour, label=label.replace("_", " "))
        left = {name: start + share for (name, start), share in zip(left.items(), shares, strict=True)}
    axes.set(xlim=(0, 1), xlabel="share of episodes")
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=100)
