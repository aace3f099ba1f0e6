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
