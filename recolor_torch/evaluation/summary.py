"""From rows to a table and to means."""

import csv
import io
import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any

from recolor_torch.evaluation.metrics import METRICS
from recolor_torch.evaluation.run import GRAY, ScoredRow

MAIN = "ciede2000"
"""The metric by which pictures are ranked."""


def to_csv(rows: Iterable[ScoredRow]) -> str:
    """All rows as CSV; the seconds, which no two runs share, are the last column."""
    rows = list(rows)
    names = used_metrics(rows)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["picture", "group", "certain_color", "method", "given", *names, "seconds"])
    for row in rows:
        numbers = [_number(row.metrics.get(name)) for name in names]
        certain = "yes" if row.case.certain else "no"
        writer.writerow([row.case.name, row.case.group, certain, row.method, row.words, *numbers, _number(row.seconds)])
    return file.getvalue()


def used_metrics(rows: Iterable[ScoredRow]) -> list[str]:
    """The metrics that any row has, in the order of ``METRICS``."""
    present = {name for row in rows for name in row.metrics}
    return [name for name in METRICS if name in present]


def summarize(rows: list[ScoredRow]) -> dict[str, Any]:
    """Means by method: over all pictures, by group, and over those with a certain color in life.

    Returns:
        By method: ``given``, ``seconds`` (median), and ``all``, ``groups`` and ``certain``, each with the number of
        pictures, mean and standard error of each metric, and how often the method was better than gray.
    """
    gray = {row.case.name: row.metrics for row in rows if row.method == GRAY}
    summary: dict[str, Any] = {}
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        seconds = [row.seconds for row in own if row.seconds is not None]
        groups = sorted({row.case.group for row in own if row.case.group})

        def part(keep: Callable[[ScoredRow], bool], own: list[ScoredRow] = own) -> dict[str, Any]:
            return _part([row for row in own if keep(row)], gray)

        summary[method] = {
            "given": "; ".join(dict.fromkeys(row.words for row in own)),
            "seconds": statistics.median(seconds) if seconds else None,
            "all": part(lambda row: True),
            "groups": {name: part(lambda row, name=name: row.case.group == name) for name in groups},  # type: ignore[misc]
            "certain": part(lambda row: row.case.certain),
        }
    return summary


def _part(rows: list[ScoredRow], gray: dict[str, dict[str, float]]) -> dict[str, Any]:
    metrics = {}
    for name in METRICS:
        values = [row.metrics[name] for row in rows if name in row.metrics]
        if values:
            error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
            metrics[name] = {"mean": math.fsum(values) / len(values), "standard_error": error, "pictures": len(values)}
    judged = [row for row in rows if MAIN in row.metrics]
    wins = sum(row.metrics[MAIN] < gray[row.case.name][MAIN] for row in judged)
    return {"pictures": len(rows), "with_truth": len(judged), "better_than_gray": wins, "metrics": metrics}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
