"""Sheets of labelled pictures in rows, and panels that hold a message in place of a picture."""

import textwrap
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from recolor_torch.checks import check_image
from recolor_torch.plots.labels import plain

Label = tuple[str, Tensor]

_WIDTH = 3.4
_FONT = 9
_GROUND, _INK = (242, 242, 242), (170, 0, 0)


def plot_sheet(rows: Sequence[Sequence[Label]], marked: str | None = None) -> Figure:
    """Pictures in rows, each under its label; rows may differ in length.

    Args:
        rows: (label, picture) pairs; pictures are (1, 3 or 1, H, W) in [0, 1], clipped.
        marked: the label that is set in bold.
    """
    if not rows or not all(rows):
        raise ValueError("A sheet needs a picture or more in each row.")
    columns = max(len(row) for row in rows)
    heights = []
    for row in rows:
        for _, picture in row:
            check_image(picture, "picture")
        lines = max(label.count("\n") + 1 for label, _ in row)
        heights.append(_WIDTH * max(p.shape[-2] / p.shape[-1] for _, p in row) + 0.19 * lines + 0.12)
    figure = Figure(figsize=(columns * _WIDTH, sum(heights)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for row, line in zip(grid, rows):
        for axis in row:
            axis.set_axis_off()
        for axis, (label, picture) in zip(row, line):
            pixels = picture[0].detach().clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
            axis.imshow(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy())
            axis.set_title(plain(label), fontsize=_FONT, fontweight="bold" if label == marked else "normal")
    return figure


def message_panel(text: str, like: Tensor) -> Tensor:
    """A panel of the shape of ``like`` that says ``text``: what stands where a picture cannot be made.

    Args:
        text: a sentence or two; it is broken into lines that fit.
        like: (B, C, H, W); its aspect and device are taken, not its size, so that the text can be read.

    Returns:
        sRGB, (1, 3, h, 480).
    """
    check_image(like, "like")
    width = 480
    height = max(160, min(960, round(width * like.shape[-2] / like.shape[-1])))
    panel = Image.new("RGB", (width, height), _GROUND)
    size = 26
    while True:
        font = ImageFont.load_default(size)
        lines = textwrap.wrap(text, max(8, int(1.85 * (width - 40) / size)), break_on_hyphens=False)
        if size <= 12 or len(lines) * 1.35 * size < height - 30:
            break
        size -= 2
    ImageDraw.Draw(panel).multiline_text((20, 15), "\n".join(lines), _INK, font, spacing=0.35 * size)
    pixels = torch.frombuffer(bytearray(panel.tobytes()), dtype=torch.uint8).view(1, height, width, 3)
    return pixels.permute(0, 3, 1, 2).to(like) / 255
