"""Plots of histograms, wavelet coefficients, edges and strips of results, as matplotlib figures.

Figures are made without pyplot: no display, no global state, nothing to close.
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image
from recolor_torch.color import rgb_to_luminance
from recolor_torch.files import write_atomically
from recolor_torch.filters import Pyramid, edge_filter, edge_free, edge_probability, soft_histogram
from recolor_torch.plots.labels import plain

PLOT_FORMATS = {".png": "png", ".svg": "svg"}
# Levels of 8-bit pictures as centres of bins.
_LEVELS = (-0.5 / 255, 255.5 / 255)
_CHANNELS = (("R", "#d62728"), ("G", "#2ca02c"), ("B", "#1f77b4"))
_WIDTH = 4.0
_TITLE = 10


def write_figure(path: str | os.PathLike[str], figure: Figure, dpi: int = 150) -> None:
    """Write a figure as PNG or SVG, as the suffix of ``path`` says.

    Args:
        path: the file, which appears only when whole.
        figure: what one of the functions below returned.
        dpi: pixels an inch.

    Raises:
        ValueError: another suffix.
        OSError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in PLOT_FORMATS:
        raise ValueError(f"Unknown plot format {suffix!r}. Known formats: {', '.join(PLOT_FORMATS)}.")
    # A fixed salt and no date: the same plot is the same file.
    metadata = {"Date": None} if suffix == ".svg" else None
    with mpl.rc_context({"svg.hashsalt": "recolor"}), write_atomically(path) as part, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in letters that the font lacks shows boxes
        figure.savefig(part, format=PLOT_FORMATS[suffix], dpi=dpi, metadata=metadata)


def plot_histogram(target: Tensor, reference: Tensor, result: Tensor | None = None) -> Figure:
    """R, G and B of target, reference and result: one panel a channel (report, figure 7).

    Where matching worked, the result's area ends at the reference's line.

    Args:
        target: sRGB, (1, 3, H, W).
        reference: sRGB of any size.
        result: sRGB of any size; left out where it is None.
    """
    figure = Figure(figsize=(3 * _WIDTH, 3.2), layout="constrained")
    axes = figure.subplots(1, 3, sharex=True)
    for k, (name, color) in enumerate(_CHANNELS):
        curves = {"target": _shares(target, k), "reference": _shares(reference, k)}
        if result is not None:
            curves["result"] = _shares(result, k)
        x = range(256)
        if "result" in curves:
            axes[k].fill_between(x, curves["result"], color=color, alpha=0.35, linewidth=0, label="result")
        axes[k].plot(x, curves["target"], color="0.55", linewidth=1, label="target")
        axes[k].plot(x, curves["reference"], color="black", linewidth=1.2, label="reference")
        # A peak of black or white pixels would flatten all the rest.
        rest = sorted(v for values in curves.values() for v in values)
        axes[k].set_ylim(0, max(1.3 * rest[int(0.985 * len(rest))], 0.1))
        axes[k].set_xlim(0, 255)
        axes[k].set_title(name, fontsize=_TITLE, color=color, fontweight="bold")
        axes[k].set_xlabel("level")
        axes[k].spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of the pixels, %")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def plot_wavelet(pyramid: Pyramid, title: str | None = None) -> Figure:
    """The coefficients in one square: approximation at the top left, details around it (report, figure 11).

    Details are brought to one strength level by level (the 99th percentile of their size is black or white), with
    faint ones raised; mid-gray is 0.

    Args:
        pyramid: from ``dwt2``; the first sample is drawn, in color where it has three channels.
        title: above the picture.
    """
    block = _stretch(pyramid.approximation[:1])
    corners: list[tuple[float, float]] = []
    for horizontal, vertical, diagonal in pyramid.details:
        below, right, both = (
            _signed(d[:1], (horizontal, vertical, diagonal)) for d in (horizontal, vertical, diagonal)
        )
        h, w = horizontal.shape[-2:]
        # Filters longer than two leave levels a little larger than half: brought to the grid of the mosaic.
        corners = [(y * h / block.shape[-2], x * w / block.shape[-1]) for y, x in corners]
        block = block if block.shape[-2:] == (h, w) else F.interpolate(block, (h, w), mode="area")
        block = torch.cat((torch.cat((block, right), -1), torch.cat((below, both), -1)), -2)
        corners.append((h, w))
    figure, axes = _canvas(1, 1, block.shape[-2] / block.shape[-1], 7.0)
    draw_picture(axes[0], block)
    for y, x in corners:
        axes[0].plot([x - 0.5, x - 0.5], [-0.5, 2 * y - 0.5], color="#d62728", linewidth=0.6)
        axes[0].plot([-0.5, 2 * x - 0.5], [y - 0.5, y - 0.5], color="#d62728", linewidth=0.6)
    axes[0].set_title(plain(title or f"wavelet coefficients, {len(pyramid.details)} levels"), fontsize=_TITLE)
    return figure


def plot_edges(image: Tensor, threshold: float = 0.2) -> Figure:
    """The first three edge kernels (report, figure 17), the edge probability and what it leaves out.

    Args:
        image: sRGB, (1, 3, H, W), or its luminance, (1, 1, H, W).
        threshold: pixels with P_e at or above it are painted red in the last panel.
    """
    check_image(image, "image")
    y = rgb_to_luminance(image[:1]) if image.shape[1] == 3 else image[:1]
    panels = {"luminance": y}
    for kernel, name in (("across", "[-1 2 -1]"), ("down", "[-1 2 -1]ᵀ"), ("cross", "both")):
        panels[f"kernel {name}"] = _strength(edge_filter(y, kernel))  # type: ignore[arg-type]
    probability = edge_probability(y)
    panels["edge probability Pₑ"] = probability
    free = edge_free(probability, threshold)
    red = torch.tensor([0.84, 0.15, 0.16], dtype=y.dtype, device=y.device).view(1, 3, 1, 1)
    share = f"{100 * float(1 - free.mean()):.0f} %"
    panels[f"left out at Pₑ ≥ {threshold:g}: {share}"] = torch.where(free > 0, y.expand(-1, 3, -1, -1), red)
    return plot_strip(panels, columns=3)


def plot_lambda(results: Mapping[str, Tensor]) -> Figure:
    """A strip of results over schedules of the merging weights (report, figures 12 and 13).

    Args:
        results: picture by schedule, sRGB, (1, 3, H, W), in the order to show them.
    """
    labels = {name if name in ("target", "source", "reference") else f"λ = {name}": x for name, x in results.items()}
    return plot_strip(labels)


def plot_strip(pictures: Mapping[str, Tensor], columns: int | None = None, width: float = _WIDTH) -> Figure:
    """Pictures side by side under their names.

    Args:
        pictures: by name, (1, 3 or 1, H, W) in [0, 1] (clipped); those of other sizes are fitted in.
        columns: pictures in a row; up to four where it is None.
        width: of a picture, in inches.
    """
    if not pictures:
        raise ValueError("A strip needs a picture or more, got none.")
    columns = columns or (len(pictures) if len(pictures) <= 4 else -(-len(pictures) // -(-len(pictures) // 4)))
    rows = -(-len(pictures) // columns)
    ratio = max(x.shape[-2] / x.shape[-1] for x in pictures.values())
    lines = max(name.count("\n") + 1 for name in pictures)
    figure, axes = _canvas(rows, columns, ratio, width, lines)
    for axis, (name, picture) in zip(axes, pictures.items()):
        draw_picture(axis, picture)
        axis.set_title(plain(name), fontsize=_TITLE)
    return figure


def _canvas(rows: int, columns: int, ratio: float, width: float, lines: int = 1) -> tuple[Figure, list[Axes]]:
    # A line of a title takes a sixth of an inch; without room for all, the first row's is cut off.
    height = rows * (width * ratio + 0.2 + lines * _TITLE / 60) + 0.1
    figure = Figure(figsize=(columns * width, height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    return figure, axes


def draw_picture(axis: Axes, picture: Tensor) -> None:
    """Draw a picture, (1, 3 or 1, H, W), clipped to [0, 1], into axes."""
    check_image(picture, "picture")
    pixels = picture[0].detach().clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
    if len(pixels) == 1:
        axis.imshow(pixels[0].numpy(), cmap="gray", vmin=0, vmax=255)
    else:
        axis.imshow(pixels.permute(1, 2, 0).numpy())


def _shares(image: Tensor, channel: int) -> list[float]:
    """Percent of the pixels at each of 256 levels, lightly smoothed."""
    check_image(image, "image", channels=3)
    shares = soft_histogram(image[:1, channel : channel + 1].detach(), 256, _LEVELS, bandwidth=1.5)
    return (100 * shares.flatten()).tolist()


def _stretch(x: Tensor) -> Tensor:
    low, high = x.amin(), x.amax()
    return (x - low) / (high - low).clamp_min(1e-12)


def _signed(x: Tensor, level: tuple[Tensor, ...]) -> Tensor:
    scale = torch.stack([_high(d[:1].abs()) for d in level]).amax()
    return 0.5 + 0.5 * (x.sign() * (x.abs() / scale).clamp_max(1) ** 0.75)


def _strength(x: Tensor) -> Tensor:
    return (x.abs() / _high(x.abs())).clamp_max(1)


def _high(x: Tensor) -> Tensor:
    """The 99th percentile, of a sample where the picture is large: torch.quantile stops at 16 million."""
    values = x.flatten()
    return values[:: max(1, values.numel() >> 20)].quantile(0.99).clamp_min(1e-6)
