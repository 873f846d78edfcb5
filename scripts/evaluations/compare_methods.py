r"""All methods over pairs and scribbles: quality, speed, memory, what each needs and where it fails, as one table.

    python -m scripts.evaluations.compare_methods ../shared/data OUT [--methods a,b] [--side 256] [--points 10] \
        [--groups ...]

DATA has pairs/manifest.json and scribbles/manifest.json. On the pairs whose target has true colors every method
colors the same gray targets: from the pair's reference, from 10 true points, or from both, as it needs. OUT gets a
report of both sets (recolor evaluate's, resumable) and table.md. Speed and memory are taken in a process of their own
at --megapixels, one thread, CPU seconds, the median of --repeats after a first call; memory is the peak over what is
resident after loading (Linux). The weights of VGG-19 are found as the methods find them (RECOLOR_VGG19 names a file).
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from recolor_torch.errors import WeightsMissing
from recolor_torch.evaluation.cases import find_cases
from recolor_torch.evaluation.protocols import Protocol, points_of, random_numbers
from recolor_torch.evaluation.report import write_report
from recolor_torch.evaluation.run import GRAY, Scored, evaluate
from recolor_torch.evaluation.summary import MAIN
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import METHODS, Recolorizer, build_method
from recolor_torch.pictures import read_picture
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize

PAIR = "multi_view/lund_1"
# What the pictures of the reports show, in a few words.
FAILS = {
    "correspondence": "where the reference has nothing like it: the color of what looks alike",
    "gram": "things keep no color of their own: one palette over all",
    "histogram": "two colors at one luminance become their mean",
    "levin": "regions without a point take the color of a neighbour",
    "network": "things that may have any color come out pale or brown",
    "poisson": "color crosses edges: it knows no regions",
    "semi_interactive": "as its reference does, where no point says otherwise",
    "wavelet": "a reference of another layout: colors beside what they belong to",
}


def ready(names: list[str]) -> tuple[dict[str, Recolorizer], list[str]]:
    """The methods whose weights are there, and a sentence about each of the others."""
    methods, notes = {}, []
    for name in names:
        method = build_method(name)
        try:
            method.prepare()
            methods[name] = method
        except WeightsMissing as error:
            notes.append(f"{name} is left out: {error}")
    return methods, notes


def judge(
    args: argparse.Namespace, data: str, groups: list[str], methods: dict[str, Recolorizer], notes: list[str]
) -> tuple[Scored, dict[str, Any]]:
    """The report of one of the two sets."""
    protocol = Protocol(args.side, "none", args.points, args.seed)
    out = args.out / data
    outcome = evaluate(find_cases(args.data / data, groups), methods, out, protocol)
    about = {
        "data": data,
        "methods": {label: {"parameters": m.settings(), "provenance": m.provenance()} for label, m in methods.items()},
        "notes": notes,
    }
    return outcome, write_report(out, outcome, about, protocol)


def measure(args: argparse.Namespace, name: str) -> dict[str, float]:
    """Seconds and megabytes of a method, in a process of its own."""
    command = [sys.executable, __file__, str(args.data), str(args.out), "--measure", name]
    command += ["--megapixels", str(args.megapixels), "--repeats", str(args.repeats), "--points", str(args.points)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def measure_here(args: argparse.Namespace) -> None:
    """What ``measure`` runs: prints seconds and megabytes as JSON."""
    torch.set_num_threads(1)
    truth, reference = (read_picture(args.data / "pairs" / f"{PAIR}_{part}.jpg").image for part in ("target", "ref"))
    scale = (args.megapixels * 1e6 / (truth.shape[-2] * truth.shape[-1])) ** 0.5
    size = (round(truth.shape[-2] * scale), round(truth.shape[-1] * scale))
    truth = resize(truth, size).clamp(0, 1)
    hints, mask = points_of(truth, args.points, random_numbers(0, PAIR))
    method = build_method(args.measure)
    method.prepare()
    if "hints" in method.needs:
        guide = Guide((Reference(reference),), hints=hints, hint_mask=mask)
    else:
        guide = Guide((Reference(reference),))

    def run() -> float:
        start = time.process_time()
        with torch.no_grad():
            recolor(truth, method, guide)
        return time.process_time() - start

    small = Guide((Reference(reference[..., :64, :64]),))
    if guide.hints is not None:
        known = mask[..., :64, :64].clone()
        known[..., :6, :6] = 1
        small = Guide(small.references, hints=hints[..., :64, :64], hint_mask=known)
    with torch.no_grad():
        recolor(truth[..., :64, :64], method, small)  # what is loaded once
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here (Linux)
    before = status("VmRSS")
    seconds = [run() for _ in range(args.repeats)]
    print(json.dumps({"seconds": statistics.median(seconds), "megabytes": (status("VmHWM") - before) / 2**20}))


def status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    found = re.search(field + r":\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def needs(method: Recolorizer) -> str:
    words = {"reference": "reference", "hints": "points"}
    return ", ".join(words[n] for n in method.needs) or "nothing"


def table(
    outcome: Scored, methods: dict[str, Recolorizer], speed: dict[str, dict[str, float]], args: argparse.Namespace
) -> str:
    """The comparison in Markdown, best first; the first line is gray."""
    rows = [row for row in outcome.rows if MAIN in row.metrics]
    gray = {row.case.name: row.metrics[MAIN] for row in rows if row.method == GRAY}
    groups = list(dict.fromkeys(row.case.group for row in rows))
    head = ["method", "needs", *groups, "all", "PSNR", "worse than gray on", "worst against gray", "where it fails"]
    head += [f"CPU s at {args.megapixels:g} MP", "MB"]
    lines = []
    for name in [GRAY, *methods]:
        own = [row for row in rows if row.method == name]
        if not own:
            continue
        means = [statistics.fmean(r.metrics[MAIN] for r in own if r.case.group == g) for g in groups]
        mean = statistics.fmean(r.metrics[MAIN] for r in own)
        dB = statistics.fmean(r.metrics["psnr"] for r in own)
        cells = [f"`{name}`" if name != GRAY else "gray itself", needs(methods[name]) if name != GRAY else ""]
        cells += [f"{m:.2f}" for m in (*means, mean)] + [f"{dB:.2f}"]
        if name == GRAY:
            cells += [""] * 5
        else:
            worst = max(own, key=lambda r: r.metrics[MAIN] - gray[r.case.name])
            losses = sum(r.metrics[MAIN] > gray[r.case.name] for r in own)
            cells += [
                f"{losses} of {len(own)}",
                f"{worst.case.name}: {worst.metrics[MAIN]:.1f} ({gray[worst.case.name]:.1f})",
                FAILS.get(name, ""),
            ]
            cells += [f"{speed[name]['seconds']:.2f}", f"{speed[name]['megabytes']:.0f}"] if name in speed else ["", ""]
        lines.append((float("inf") if name == GRAY else -mean, "| " + " | ".join(cells) + " |"))
    lines.sort(key=lambda line: -line[0])
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *(text for _, text in lines)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=sorted(METHODS))
    parser.add_argument("--groups", nargs="+", default=["video", "multi_view"])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3, help="0 leaves speed and memory out")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure_here(args)
        return 0
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    methods, notes = ready(args.methods)
    pairs, _ = judge(args, "pairs", args.groups, methods, notes)
    drawn, summary = judge(args, "scribbles", [], {n: m for n, m in methods.items() if m.needs == ("hints",)}, notes)
    speed = {name: measure(args, name) for name in methods} if args.repeats else {}
    parts = [
        f"Mean CIEDE2000 over {len({row.case.name for row in pairs.rows})} pairs at {args.side} pixels on the longer "
        f"side, {args.points} true points where points are needed.",
        table(pairs, methods, speed, args),
        *(
            f"{n}, CIEDE2000 on the {e['all']['with_truth']} scribbled pictures with true colors: "
            f"{e['all']['metrics'][MAIN]['mean']:.2f}"
            for n, e in summary["results"].items()
        ),
        *notes,
    ]
    text = "\n\n".join(parts) + "\n"
    (args.out / "table.md").write_text(text)
    print(text)
    for sentence in (*pairs.failures, *drawn.failures):
        print(sentence, file=sys.stderr)
    return 3 if pairs.failures or drawn.failures else 0


if __name__ == "__main__":
    sys.exit(main())
