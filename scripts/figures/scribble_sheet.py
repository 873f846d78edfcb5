"""Color all scribble cases through the command line and put them on one sheet.

A case is NAME_gray.png with NAME_marked.png, and perhaps NAME_other.png (another program's result) or
NAME_truth.png. The sheet has a row of panels a case: gray, marked copy, hints as understood, result, other.

    python -m scripts.figures.scribble_sheet ../shared/data/scribbles -o scribbles/ [-m levin] [--cases baby,flag]
"""

import argparse
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from recolor_torch.cli import main as recolor
from recolor_torch.color import rgb_to_yuv
from recolor_torch.hints.read import read_hints
from recolor_torch.pictures.read import read_picture

PANEL = 230
TITLES = ("gray", "marked", "hints", "result", "other or truth")


def main() -> int:
    """Run the script; returns the number of cases that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the cases are")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for results and sheet.png")
    parser.add_argument("-m", "--method", default="levin")
    parser.add_argument("--cases", help="names with commas; all without it")
    parser.add_argument("--columns", type=int, default=2, help="cases side by side")
    args, extra = parser.parse_known_args()
    names = sorted(p.name.removesuffix("_marked.png") for p in args.folder.glob("*_marked.png"))
    names = args.cases.split(",") if args.cases else names
    rows, failed = [], 0
    for name in names:
        gray, marked = args.folder / f"{name}_gray.png", args.folder / f"{name}_marked.png"
        result = args.output / f"{name}.png"
        failed += bool(
            recolor(["colorize", str(gray), "--hints", str(marked), "-o", str(result), "-m", args.method, "-q", *extra])
        )
        rows.append(_row(args.folder, name, result))
    sheet = _join(rows, args.columns)
    sheet.save(args.output / "sheet.png")
    print(f"{len(names)} cases, {failed} failed, in {args.output / 'sheet.png'}")
    return failed


def _row(folder: Path, name: str, result: Path) -> Image.Image:
    gray, marked = folder / f"{name}_gray.png", folder / f"{name}_marked.png"
    target = read_picture(gray).image
    hints = read_hints(marked, target)
    out = read_picture(result).image
    gap = (rgb_to_yuv(out) - rgb_to_yuv(hints.image))[:, 1:].abs().amax(1, keepdim=True)[hints.mask > 0.5]
    shown = torch.where(hints.mask > 0.5, hints.image, 0.6 + 0.4 * target)
    others = [p for p in (folder / f"{name}_other.png", folder / f"{name}_truth.png") if p.is_file()]
    panels = [_image(target), Image.open(marked), _image(shown), _image(out), *(Image.open(p) for p in others[:1])]
    row = Image.new("RGB", (PANEL * len(TITLES), PANEL + 16), "white")
    draw = ImageDraw.Draw(row)
    rule = hints.marks.rule if hints.marks else hints.form
    draw.text(
        (3, 2), f"{name}: {rule}; chroma off at hints: {255 * gap.median():.1f}, at most {255 * gap.max():.0f}", "black"
    )
    for i, given in enumerate(panels):
        panel = given.convert("RGB")
        panel.thumbnail((PANEL - 4, PANEL - 4))
        if max(panel.size) < PANEL - 4:
            scale = (PANEL - 4) / max(panel.size)
            panel = panel.resize([round(n * scale) for n in panel.size], Image.Resampling.NEAREST)
        row.paste(panel, (i * PANEL, 16))
    return row


def _image(picture: torch.Tensor) -> Image.Image:
    return Image.fromarray((picture[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())


def _join(rows: list[Image.Image], columns: int) -> Image.Image:
    width, height = rows[0].size
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(rows)), height * lines), "white")
    for i, row in enumerate(rows):
        sheet.paste(row, ((i // lines) * width, (i % lines) * height))
    return sheet


if __name__ == "__main__":
    sys.exit(main())
