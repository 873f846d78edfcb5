"""The report of an evaluation: metrics.csv, summary.json, plots, and a page that shows them with the pictures."""

import json
from pathlib import Path
from typing import Any

from recolor_torch.evaluation.metrics import METRICS
from recolor_torch.evaluation.protocols import Protocol
from recolor_torch.evaluation.run import GRAY, Scored, ScoredRow, file_of, folder_of
from recolor_torch.evaluation.summary import MAIN, summarize, to_csv, used_metrics
from recolor_torch.files import write_bytes_atomically
from recolor_torch.plots.error_map import TOP, color_table
from recolor_torch.plots.figures import write_figure
from recolor_torch.plots.page import Cell, Column, Page, PageLink, Panel
from recolor_torch.plots.score_plots import plot_groups, plot_speed, plot_spread

EXTREMES = 3
"""Worst and best pictures that are shown of each method."""

_DIGITS = {"ssim": 3, "lpips": 3, "colorfulness": 1, "colorfulness_abs": 1, "colorfulness_gap": 1}
_GROUPS_SHOWN = 12


def write_report(out: Path, outcome: Scored, about: dict[str, Any], protocol: Protocol) -> dict[str, Any]:
    """Write everything but the pictures of single cases, which ``evaluate`` has written.

    Args:
        out: the folder of the report.
        outcome: what ``evaluate`` returned.
        about: what to say of the run: ``data``, ``methods`` (parameters and provenance by label), ``notes``.
        protocol: how pictures were prepared.

    Returns:
        The summary, as ``summary.json`` has it.

    Raises:
        OSError: a file cannot be written.
    """
    rows = outcome.rows
    metrics = used_metrics(rows)
    summary = {
        **about,
        "protocol": protocol.describe(),
        "metrics": {name: METRICS[name].protocol for name in metrics},
        "pictures": len({row.case.name for row in rows}),
        "failures": outcome.failures,
        "results": summarize(rows),
    }
    write_bytes_atomically(out / "metrics.csv", to_csv(rows).encode("utf-8", "surrogateescape"))
    text = json.dumps(summary, indent=1, ensure_ascii=False, default=str)
    write_bytes_atomically(out / "summary.json", text.encode("utf-8", "surrogateescape"))
    plots = _write_plots(out, rows, summary["results"])
    _page(rows, summary, metrics, plots).write(out / "index.html")
    return summary


def headline(summary: dict[str, Any]) -> str:
    """The outcome in a sentence."""
    means = {label: _mean(entry["all"], MAIN) for label, entry in summary["results"].items()}
    known = {label: mean for label, mean in means.items() if mean is not None}
    methods = [label for label in known if label != GRAY]
    if not methods:
        return "No picture has true colors to compare with."
    best = min(methods, key=lambda label: known[label])
    part = summary["results"][best]["all"]
    return (
        f"Lowest mean CIEDE2000: {best}, {known[best]:.2f} (gray {known[GRAY]:.2f}); "
        f"better than gray on {part['better_than_gray']} of {part['with_truth']} pictures."
    )


def _mean(part: dict[str, Any], metric: str) -> float | None:
    return part["metrics"][metric]["mean"] if metric in part["metrics"] else None


def _write_plots(out: Path, rows: list[ScoredRow], results: dict[str, Any]) -> dict[str, str]:
    """Plots by caption: their files, relative to the page."""
    (out / "plots").mkdir(exist_ok=True)
    title = f"mean {METRICS[MAIN].title} of a picture"
    spread = {m: [r.metrics[MAIN] for r in rows if r.method == m and MAIN in r.metrics] for m in results}
    plots = {}
    if any(spread.values()):
        write_figure(out / "plots/errors.png", plot_spread(spread, title), dpi=110)
        plots["Every picture a dot, the box from quarter to quarter, the mean a diamond."] = "plots/errors.png"
    groups = {
        m: {g: v for g, p in e["groups"].items() if (v := _mean(p, MAIN)) is not None} for m, e in results.items()
    }
    count = len({g for means in groups.values() for g in means})
    if 1 < count <= _GROUPS_SHOWN:
        shown = {m: means for m, means in groups.items() if means}
        write_figure(out / "plots/groups.png", plot_groups(shown, f"mean {METRICS[MAIN].title}"), dpi=110)
        plots["Means by group."] = "plots/groups.png"
    speed = {
        m: (e["seconds"], v) for m, e in results.items() if e["seconds"] and (v := _mean(e["all"], MAIN)) is not None
    }
    if len(speed) > 1:
        write_figure(out / "plots/speed.png", plot_speed(speed, f"mean {METRICS[MAIN].title}"), dpi=110)
        plots["Quality against time; lower left is better."] = "plots/speed.png"
    return plots


def _page(rows: list[ScoredRow], summary: dict[str, Any], metrics: list[str], plots: dict[str, str]) -> Page:
    page = Page(f"Evaluation: {summary['data']}")
    page.text(headline(summary))
    for note in summary["notes"]:
        page.text(note, "note")
    page.section("Results", "results")
    _means(page, summary["results"], metrics, lambda entry: entry["all"])
    groups = sorted({name for entry in summary["results"].values() for name in entry["groups"]})
    if "frechet" in summary:
        _distances(page, summary["frechet"])
    if any(entry["certain"]["pictures"] for entry in summary["results"].values()):
        page.section("Pictures whose colors are certain in life", "certain", 3)
        _means(page, summary["results"], metrics, lambda entry: entry["certain"])
    if len(groups) > 1:
        page.section("By group", "groups")
        _group_table(page, summary["results"], groups)
    if plots:
        page.section("Plots", "plots")
        page.pictures([Panel(file, caption) for caption, file in plots.items()])
    _extremes(page, rows)
    _every_picture(page, rows, list(summary["results"]))
    if summary["failures"]:
        page.section("What failed", "failed")
        for sentence in summary["failures"]:
            page.text(sentence, "missing")
    page.section("How it was measured", "protocol")
    page.table(
        [Column("of the pictures"), Column("")],
        [[key, str(value)] for key, value in summary["protocol"].items()],
    )
    page.table([Column("metric"), Column("")], [[METRICS[m].title, METRICS[m].protocol] for m in metrics])
    page.table(
        [Column("method"), Column("settings")],
        [[label, json.dumps(entry, default=str)] for label, entry in summary["methods"].items()],
    )
    return page


def _means(page: Page, results: dict[str, Any], metrics: list[str], part: Any) -> None:
    columns = [Column("method"), Column("given"), Column("pictures"), Column("with truth")]
    columns.append(Column("seconds", "", 3, "median"))
    columns.append(Column("better than gray", "higher", help="pictures with a lower CIEDE2000 than the gray target"))
    columns += [Column(METRICS[m].title, METRICS[m].better, _DIGITS.get(m, 2), METRICS[m].protocol) for m in metrics]
    table: list[list[Cell]] = []
    for label, entry in results.items():
        p = part(entry)
        if p["pictures"]:
            wins = p["better_than_gray"] if label != GRAY and p["with_truth"] else None
            table.append(
                [
                    label,
                    entry["given"],
                    p["pictures"],
                    p["with_truth"],
                    entry["seconds"],
                    wins,
                    *(_mean(p, m) for m in metrics),
                ]
            )
    page.table(columns, table)


def _distances(page: Page, frechet: dict[str, Any]) -> None:
    page.section("All results together", "frechet", 3)
    help_text = f"of {frechet['features']}; compare only numbers of as many pictures"
    columns = [Column("method"), Column("pictures"), Column("Fréchet distance", "lower", 2, help_text)]
    rows: list[list[Cell]] = [[m, d["pictures"], d["frechet"]] for m, d in frechet["methods"].items()]
    page.table(columns, rows)
    page.text(f"Fréchet distance of the results to the true pictures, by {frechet['features']}.", "note")


def _group_table(page: Page, results: dict[str, Any], groups: list[str]) -> None:
    page.text(f"Mean {METRICS[MAIN].title}; in brackets, how many pictures have true colors.", "note")
    gray = results[GRAY]["groups"]
    judged = [g for g in groups if gray.get(g, {}).get("with_truth")]
    columns = [Column("method"), *(Column(f"{g} ({gray[g]['with_truth']})", "lower") for g in judged)]
    table: list[list[Cell]] = []
    for label, entry in results.items():
        cells: list[Cell] = [_mean(entry["groups"][g], MAIN) if g in entry["groups"] else None for g in judged]
        if any(cell is not None for cell in cells):
            table.append([label, *cells])
    page.table(columns, table)


def _extremes(page: Page, rows: list[ScoredRow]) -> None:
    judged = [row for row in rows if MAIN in row.metrics and row.method != GRAY]
    if not judged:
        return
    page.section("Worst and best pictures", "extremes")
    colors = color_table()[:: 255 // 5]
    page.bar(
        ["#" + "".join(f"{round(255 * c):02x}" for c in color[:3]) for color in colors],
        "Maps of the error: CIEDE2000 0",
        f"{TOP:g} and more",
    )
    for method in dict.fromkeys(row.method for row in judged):
        own = sorted((row for row in judged if row.method == method), key=lambda row: -row.metrics[MAIN])
        worst = own[:EXTREMES]
        best = [row for row in reversed(own) if row not in worst][:EXTREMES]
        for title, chosen in (("worst", worst), ("best", best)):
            if chosen:
                page.section(f"{method}: {title}", f"{file_of(method)}-{title}", 3)
            for row in chosen:
                page.strip(_panels(row))


def _panels(row: ScoredRow) -> list[Panel]:
    folder, name = folder_of(row.case), file_of(row.method)
    shown = row.metrics[MAIN]
    return [
        Panel(f"{folder}/target.png", f"{row.case.name}: target"),
        *_given_panels(folder, row.given),
        Panel(f"{folder}/{name}.png", f"{row.method}: CIEDE2000 {shown:.2f}, {row.metrics['psnr']:.1f} dB"),
        Panel(f"{folder}/truth.png", "truth"),
        Panel(f"{folder}/{name}.error.png", "error"),
    ]


def _given_panels(folder: str, given: dict[str, str]) -> list[Panel]:
    files = {"reference": "reference.png", "hints": "hints.png"}
    return [Panel(f"{folder}/{files[kind]}", words) for kind, words in given.items()]


def _every_picture(page: Page, rows: list[ScoredRow], methods: list[str]) -> None:
    page.section("Every picture", "pictures")
    page.text(f"{METRICS[MAIN].title} of each picture and method; the name leads to the pictures.", "note")
    by_case: dict[str, dict[str, ScoredRow]] = {}
    for row in rows:
        by_case.setdefault(row.case.name, {})[row.method] = row
    cases = {name: next(iter(own.values())).case for name, own in by_case.items()}
    table: list[list[Cell]] = []
    for name, own in by_case.items():
        numbers = [own[m].metrics.get(MAIN) if m in own else None for m in methods]
        certain = "yes" if cases[name].certain else "no"
        table.append([PageLink(name, f"#picture-{name}"), cases[name].group, certain, *numbers])
    page.table([Column("picture"), Column("group"), Column("certain color"), *map(Column, methods)], table)
    for name, own in by_case.items():
        folder = folder_of(cases[name])
        given = {kind: words for row in own.values() for kind, words in row.given.items()}
        panels = [Panel(f"{folder}/target.png", "target"), *_given_panels(folder, given)]
        if cases[name].truth is not None:
            panels.append(Panel(f"{folder}/truth.png", "truth"))
        for method, row in own.items():
            if method != GRAY:
                number = f", CIEDE2000 {row.metrics[MAIN]:.2f}" if MAIN in row.metrics else ""
                panels.append(Panel(f"{folder}/{file_of(method)}.png", method + number))
        page.strip(panels, 190, f"picture-{name}", fold=name)
