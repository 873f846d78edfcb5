"""Remake the figures of the report with our own pictures, into one folder with an index page.

    python scripts/report_figures.py OUT [--pairs ../shared/data/pairs] [--figures 6 12-14] [--format png|svg]

T. Zheng, "A Deep-Learning Based Semi-Interactive Method for Re-colorization", 2023. A figure is a function in
``scripts/figures/`` under ``@figure(number, title)``; one that cannot be made says why in its place.
"""

import argparse
import html
import sys
import time
from pathlib import Path

import torch

from recolor_torch.data import PictureError
from recolor_torch.output.plots import write_figure

sys.path.insert(0, str(Path(__file__).parent))

from figures import FIGURES, Entry, Pictures

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Figures of the report</title>
<style>body{{font:16px/1.5 sans-serif;max-width:1200px;margin:2em auto;padding:0 1em}}
img{{max-width:100%;display:block;margin:.5em 0}} nav a{{margin-right:.8em}} .missing{{color:#a00}}</style></head>
<body><h1>Figures of the report, remade</h1><nav>{links}</nav>
{sections}
</body></html>
"""


def numbers(text: str) -> list[int]:
    """ "12-14" as 12, 13, 14."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def make(entry: Entry, pictures: Pictures, out: Path, suffix: str) -> str:
    """Write the panels of a figure; its section of the page."""
    start = time.perf_counter()
    parts = [f'<h2 id="f{entry.number}">Figure {entry.number}: {html.escape(entry.title)}</h2>']
    parts.append(f"<p>{html.escape(entry.caption)}</p>")
    try:
        for name, panel in entry.make(pictures).items():
            file = f"figure_{entry.number:02d}{'_' + name if name else ''}.{suffix}"
            write_figure(out / file, panel, dpi=110)
            parts.append(f'<img src="{file}" alt="Figure {entry.number} {html.escape(name)}" loading="lazy">')
    except (PictureError, OSError, ValueError) as error:
        parts.append(f'<p class="missing">Not made: {html.escape(str(error))}</p>')
        print(f"figure {entry.number}: not made: {error}", file=sys.stderr)
    print(f"figure {entry.number}: {time.perf_counter() - start:.1f} s", flush=True)
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=Path, default=Path("../shared/data/pairs"), help="folder of the pictures")
    parser.add_argument("--figures", type=numbers, nargs="+", metavar="N or N-M", help="all without it")
    parser.add_argument("--format", choices=["png", "svg"], default="png")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if not arguments.pairs.is_dir():
        parser.error(f"{arguments.pairs} is no folder of pictures: set --pairs")
    wanted = sorted(FIGURES) if arguments.figures is None else sorted({n for part in arguments.figures for n in part})
    unknown = [n for n in wanted if n not in FIGURES]
    if unknown:
        parser.error(f"no figure {unknown[0]}; there are {', '.join(map(str, sorted(FIGURES)))}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(arguments.pairs, torch.device(arguments.device))
    with torch.inference_mode():
        sections = {n: make(FIGURES[n], pictures, arguments.out, arguments.format) for n in wanted}
    links = "".join(f'<a href="#f{n}">{n}</a>' for n in sections)
    page = PAGE.format(links=links, sections="\n".join(sections.values()))
    (arguments.out / "index.html").write_text(page, encoding="utf-8")
    return int(any('class="missing"' in section for section in sections.values()))


if __name__ == "__main__":
    sys.exit(main())
