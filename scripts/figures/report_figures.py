"""Remake the figures of the report with our own pictures, into one folder with a page that shows them in order.

    python -m scripts.figures.report_figures OUT [--pairs ../shared/data/pairs] [--figures 6 12-14] [--format png|svg]

T. Zheng, "A Deep-Learning Based Semi-Interactive Method for Re-colorization", 2023. A figure is a function in
``scripts/figures/`` under ``@figure(number, title)``; one that cannot be made says why in its place. Figures with
VGG-19 look for its weights as the methods do (RECOLOR_VGG19 names a file). Exit codes: 0 all made, 3 some not,
4 some not because their weights are missing.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from recolor_torch.errors import WeightsMissing
from recolor_torch.pictures import PictureError
from recolor_torch.plots.figures import write_figure
from recolor_torch.plots.page import Page, PageLink, Panel
from scripts.figures import FIGURES, Entry, Pictures

TITLE = "Figures of the report, remade"
INTRODUCTION = (
    "The figures of T. Zheng, A Deep-Learning Based Semi-Interactive Method for Re-colorization (2023), in their "
    "order and under their numbers, made by this package with other pictures. Slips of the report are corrected and "
    "named where they change a picture. A click on a picture opens it at its full size."
)
# First figure of each chapter, its title, and what the reader has to know.
CHAPTERS: dict[int, tuple[str, str]] = {
    4: (
        "What is given (section 1)",
        "A target whose luminance is kept, and either a picture whose colors are wanted or colors at some pixels.",
    ),
    6: (
        "Histograms (section 2.1)",
        "A look-up table takes the levels of the target to those of the source so that both have the same cumulative "
        "histogram; in R, G and B, then in Y, U and V. The results are as the method leaves them: the luminance of the "
        "target is not put back.",
    ),
    11: (
        "Wavelets (section 2.2)",
        "Coarse coefficients are taken from the source and fine ones from the target: λ₀ weighs the coarsest "
        "approximation of the target and λₖ its finest details.",
    ),
    17: (
        "Edges (section 2.3)",
        "The probability of an edge at each pixel, and statistics without the pixels on edges.",
    ),
    18: (
        "Color from given points (section 3)",
        "Known colors spread over the picture by least squares: Poisson merging in R, G and B, and the equations of "
        "Levin, Lischinski and Weiss (2004) in U and V. Titles with dB compare with the photograph in color.",
    ),
    30: (
        "Transfer by Gram matrices (section 4)",
        "The target's pixels are changed until features of VGG-19 have its content and the source's style. "
        "Where the weights of a layer are not here, the panel says so.",
    ),
}
LEFT_OUT = (
    "Figures 1 to 3 and 25 to 29 show data, other people's networks and diagrams; there is nothing in them to remake."
)


def numbers(text: str) -> list[int]:
    """ "12-14" as 12, 13, 14."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def make(page: Page, entry: Entry, pictures: Pictures, out: Path, suffix: str) -> int:
    """Write the panels of a figure and its part of the page; returns an exit code."""
    start = time.perf_counter()
    page.section(f"Figure {entry.number}: {entry.title}", f"f{entry.number}", 3)
    page.text(entry.caption)
    code = 0
    try:
        panels = []
        for name, panel in entry.make(pictures).items():
            file = f"figure_{entry.number:02d}{'_' + name if name else ''}.{suffix}"
            write_figure(out / file, panel, dpi=110)
            panels.append(Panel(file, name.replace("_", " ")))
        page.pictures(panels)
    except (PictureError, OSError, ValueError) as error:
        page.text(f"Not made: {error}", "missing")
        print(f"figure {entry.number}: not made: {error}", file=sys.stderr)
        code = 4 if isinstance(error, WeightsMissing) else 3
    module = entry.make.__module__.rpartition(".")[2]
    page.text(f"scripts/figures/{module}.py, {entry.make.__name__}", "note")
    print(f"figure {entry.number}: {time.perf_counter() - start:.1f} s", flush=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=Path, default=Path("../shared/data/pairs"), help="folder of the pictures")
    parser.add_argument("--figures", type=numbers, nargs="+", metavar="N or N-M", help="all without it")
    parser.add_argument("--format", choices=["png", "svg"], default="png")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=256, help="of figures 30 to 37 in pixels; 128 takes a quarter")
    parser.add_argument("--steps", type=int, default=500, help="of figures 30 to 37")
    arguments = parser.parse_args()
    if not arguments.pairs.is_dir():
        parser.error(f"{arguments.pairs} is no folder of pictures: set --pairs")
    wanted = sorted(FIGURES) if arguments.figures is None else sorted({n for part in arguments.figures for n in part})
    unknown = [n for n in wanted if n not in FIGURES]
    if unknown:
        parser.error(f"no figure {unknown[0]}; there are {', '.join(map(str, sorted(FIGURES)))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(arguments.pairs, torch.device(arguments.device), arguments.side, arguments.steps)
    page = Page(TITLE)
    page.text(INTRODUCTION)
    page.text(LEFT_OUT, "note")
    page.links([PageLink(str(n), f"#f{n}") for n in wanted])
    codes, chapter = [], None
    for n in wanted:
        first = max(start for start in CHAPTERS if start <= n)
        if first != chapter:
            chapter = first
            page.section(CHAPTERS[first][0], f"chapter-{first}")
            page.text(CHAPTERS[first][1])
        with torch.no_grad():
            codes.append(make(page, FIGURES[n], pictures, arguments.out, arguments.format))
    page.write(arguments.out / "index.html")
    # What failed for another reason than weights is the graver news.
    return 3 if 3 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
