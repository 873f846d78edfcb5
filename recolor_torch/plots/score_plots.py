"""Plots of an evaluation: errors by method, by group, and against time."""

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from recolor_torch.plots.labels import plain

_COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")


def plot_spread(values: Mapping[str, Sequence[float]], label: str) -> Figure:
    """The values of each method: every picture a dot, the box from quarter to quarter, the mean a diamond.

    Args:
        values: numbers by method, in the order to show them; methods without numbers are left out.
        label: of the axis.
    """
    values = {name: list(numbers) for name, numbers in values.items() if numbers}
    figure = Figure(figsize=(7.0, 0.9 + 0.45 * len(values)), layout="constrained")
    axes = figure.subplots()
    places = range(len(values), 0, -1)
    for place, numbers in zip(places, values.values()):
        # Dots of one height would hide each other; a fixed pattern keeps the picture the same from run to run.
        heights = [place + 0.2 * ((k * 0.618034) % 1 - 0.5) for k in range(len(numbers))]
        axes.plot(numbers, heights, ".", color="#4477aa", alpha=0.45, markersize=5, zorder=3)
        if len(numbers) > 1:
            low, middle, high = statistics.quantiles(numbers, method="inclusive")
            axes.barh(place, high - low, 0.55, left=low, color="none", edgecolor="0.35", zorder=4)
            axes.plot([middle, middle], [place - 0.275, place + 0.275], color="black", zorder=4)
        axes.plot(statistics.fmean(numbers), place, "D", color="#c00", markersize=5, zorder=5)
    axes.set_yticks(list(places), [plain(name) for name in values])
    axes.set_xlabel(plain(label))
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure


def plot_groups(values: Mapping[str, Mapping[str, float]], label: str) -> Figure:
    """Means by group, a bar a method.

    Args:
        values: by method, then by group.
        label: of the axis.
    """
    groups = list(dict.fromkeys(group for means in values.values() for group in means))
    figure = Figure(figsize=(max(5.0, 1.5 + 1.1 * len(groups)), 3.4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(values)
    for k, (name, means) in enumerate(values.items()):
        places = [g + (k - (len(values) - 1) / 2) * width for g, group in enumerate(groups) if group in means]
        heights = [means[group] for group in groups if group in means]
        color = "0.72" if k == 0 else _COLORS[(k - 1) % len(_COLORS)]
        axes.bar(places, heights, width, label=plain(name), color=color)
    axes.set_xticks(range(len(groups)), [plain(group) for group in groups])
    axes.set_ylabel(plain(label))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def plot_speed(points: Mapping[str, tuple[float, float]], label: str) -> Figure:
    """Quality against time.

    Args:
        points: seconds a picture, and the number, by method.
        label: of the vertical axis.
    """
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for k, (name, (seconds, value)) in enumerate(points.items()):
        axes.plot([seconds], [value], "o", color=_COLORS[k % len(_COLORS)], markersize=8)
        axes.annotate(plain(name), (seconds, value), xytext=(7, 4), textcoords="offset points", fontsize=9)
    axes.set_xscale("log")
    axes.set_xlabel("seconds a picture, median")
    axes.set_ylabel(plain(label))
    axes.margins(x=0.25, y=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    return figure
