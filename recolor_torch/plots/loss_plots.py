"""Plots of a run's log: loss curves, and the strip of pictures that it left (report, figures 30 to 37)."""

import csv
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.errors import UsageError
from recolor_torch.paths import is_folder
from recolor_torch.pictures import read_picture
from recolor_torch.plots.figures import draw_picture
from recolor_torch.plots.labels import plain

Curve = tuple[list[float], list[float]]
"""Steps, and a value at each."""

_BESIDE = {"epoch", "step", "sample", "width", "height"}


def read_log(path: Path) -> dict[str, Curve]:
    """The curves of a log, by the name of their column.

    Args:
        path: a folder with ``metrics.csv``, as Lightning's CSVLogger writes it, or a CSV file with the column ``step``.
            Rows with a ``width`` (the ``losses.csv`` of ``--save-stages``) give a curve a sample and size.

    Raises:
        UsageError: there is no such file, or it has no steps.
    """
    file = path / "metrics.csv" if is_folder(path) else path
    try:
        with file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file}: cannot read this log ({getattr(error, 'strerror', None) or error}).") from error
    curves: dict[str, Curve] = {}
    try:
        for row in rows:
            kind = f", {row['width']} x {row['height']}" if row.get("width") else ""
            kind = f"{kind}, sample {row['sample']}" if row.get("sample", "0") != "0" else kind
            for column, value in row.items():
                if column not in _BESIDE and value:
                    steps, values = curves.setdefault(f"{column}{kind}", ([], []))
                    steps.append(float(row["step"]))
                    values.append(float(value))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file}: this is no log of losses by step.") from error
    if not curves:
        raise UsageError(f"{file}: this log has no losses.")
    return curves


def read_snapshots(path: Path) -> dict[str, Tensor]:
    """The pictures ``snapshots/step_*.png`` of a run by their step, in order; none where there are none."""
    files = sorted((path / "snapshots").glob("step_*.png")) if is_folder(path) else []
    return {str(int(file.stem.removeprefix("step_"))): read_picture(file).image for file in files}


def plot_loss(runs: Mapping[str, Mapping[str, Curve]], snapshots: Mapping[str, Tensor] | None = None) -> Figure:
    """Loss curves over the steps, on a logarithmic scale, under a strip of snapshots.

    Args:
        runs: curves by run. Of one run all are drawn, its terms thinner than their sum ``loss``; of several ``loss``.
        snapshots: pictures by step.

    Raises:
        UsageError: several runs, and one has no ``loss``.
    """
    snapshots = dict(snapshots or {})
    figure = Figure(figsize=(max(8.0, 2.2 * len(snapshots)), 7.0 if snapshots else 4.5), layout="constrained")
    if snapshots:
        grid = figure.add_gridspec(2, 1, height_ratios=(2.5, 4.5))
        above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        axes = above.subplots(1, len(snapshots), squeeze=False)[0]
        for axis, (step, picture) in zip(axes, snapshots.items()):
            draw_picture(axis, picture)
            axis.set_axis_off()
            axis.set_title(f"step {step}", fontsize=10)
        axis = below.subplots()
    else:
        axis = figure.subplots()
    for name, curves in runs.items():
        if len(runs) > 1 and "loss" not in curves:
            raise UsageError(f"{name}: this log has no column loss to compare.")
        for column, (steps, values) in curves.items():
            if len(runs) == 1:
                thick = column == "loss" or column.startswith("loss,")
                axis.plot(steps, values, label=plain(column), linewidth=2 if thick else 1, zorder=2 if thick else 1)
            elif column == "loss":
                axis.plot(steps, values, label=plain(name), linewidth=1.5)
    axis.set_yscale("log")
    axis.set_xlabel("step")
    axis.set_ylabel("loss")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    return figure
