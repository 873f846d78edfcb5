"""Figures 18 to 24: color from given points (report, section 3)."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_luminance, rgb_to_yuv
from recolor_torch.filters import edge_probability
from recolor_torch.guide import Guide
from recolor_torch.hints.read import read_hints
from recolor_torch.methods import LevinColorization, PoissonMerging
from recolor_torch.methods.poisson import merge_poisson
from recolor_torch.pictures.read import read_picture
from recolor_torch.plots.figures import plot_strip
from scripts.figures.registry import Pictures, figure

PHOTO, BOATS, BUILDING = "same_kind/photo_57", "video/kite_surf", "multi_view/san_marco_1"
SMALL = 256
SHARE = 0.02
PUBLISHED = LevinColorization(form="levin", weights="local")


def random_mask(like: Tensor, share: float = SHARE) -> Tensor:
    """Single pixels, spread at random over the picture of ``like``."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(1, 1, *like.shape[-2:], generator=generator) < share).to(like)


def edge_mask(color: Tensor, share: float = SHARE) -> Tensor:
    """As many pixels on the surest edges of the luminance."""
    sure = edge_probability(rgb_to_luminance(color))
    generator = torch.Generator().manual_seed(0)
    # Many are equally sure: chance decides among them.
    order = (sure + 0.3 * torch.rand(sure.shape, generator=generator).to(sure)).flatten()
    chosen = torch.zeros_like(order)
    chosen[order.topk(max(1, int(share * order.numel()))).indices] = 1
    return chosen.view_as(sure)


def known(color: Tensor, mask: Tensor) -> Tensor:
    """The known colors on the gray picture."""
    return torch.where(mask > 0.5, color, rgb_to_luminance(color))


def named(name: str, result: Tensor, truth: Tensor) -> tuple[str, Tensor]:
    """A panel whose title has the PSNR."""
    result = result.clamp(0, 1)
    psnr = -10 * torch.log10((result - truth).square().mean())
    return f"{name}, {float(psnr):.1f} dB", result


def spread(method: LevinColorization | PoissonMerging, color: Tensor, mask: Tensor) -> Tensor:
    """The gray of ``color`` colored from the pixels on the mask, its luminance kept."""
    gray = rgb_to_luminance(color)
    if isinstance(method, PoissonMerging):
        chroma = rgb_to_yuv(method(gray.expand(-1, 3, -1, -1), Guide(hints=color, hint_mask=mask)))[:, 1:]
    else:
        yuv = rgb_to_yuv(color)
        chroma = method(yuv, Guide(hints=yuv, hint_mask=mask))[:, 1:]
    return fit_gamut(gray, chroma)


def scribbled(pictures: Pictures, name: str) -> dict[str, Tensor]:
    """A case of the scribble pictures, which are beside the pairs: target, marked copy, results."""
    folder = Path(pictures.folder).parent / "scribbles"
    target = read_picture(folder / f"{name}_gray.png").image
    hints = read_hints(folder / f"{name}_marked.png", target)
    yuv, given = rgb_to_yuv(target), rgb_to_yuv(hints.image)
    results = {"target": target, "scribbles": torch.where(hints.mask > 0.5, hints.image, target)}
    for title, method in (("Levin et al., κ = 2", PUBLISHED), ("one σ", LevinColorization())):
        results[title] = fit_gamut(yuv[:, :1], method(yuv, Guide(hints=given, hint_mask=hints.mask))[:, 1:])
    return results


@figure(18, "Scribbles and result")
def scribbles(pictures: Pictures) -> dict[str, Figure]:
    """Strokes of color on a gray photograph, spread by the equations of Levin et al. and by one σ for the whole
    picture."""
    return {"": plot_strip(scribbled(pictures, "flag"))}


@figure(19, "A sparse mask")
def sparse_mask(pictures: Pictures) -> dict[str, Figure]:
    """The color of two pixels in a hundred is known."""
    color = pictures.target(PHOTO, SMALL)
    mask = random_mask(color)
    return {"": plot_strip({"photograph": color, "mask": mask, "what is known": known(color, mask)})}


@figure(20, "Poisson merging, λ = 0, 1, 1e3, 1e10")
def poisson_lambda(pictures: Pictures) -> dict[str, Figure]:
    """The mask of figure 19 in R, G and B: the larger λ, the farther a known color spreads, across edges too."""
    color = pictures.target(PHOTO, SMALL)
    mask, gray = random_mask(color), rgb_to_luminance(color).expand(-1, 3, -1, -1)
    panels = dict(named(f"λ = {lam:g}", merge_poisson(gray, color, mask, lam), color) for lam in (0, 1, 1e3, 1e10))
    return {"": plot_strip(panels)}


@figure(21, "Poisson merging at full size, λ = 1e10")
def poisson_full(pictures: Pictures) -> dict[str, Figure]:
    """The photograph of figure 19 at its own size, two pixels in a hundred known."""
    color = pictures.target(PHOTO)
    mask, gray = random_mask(color), rgb_to_luminance(color).expand(-1, 3, -1, -1)
    panels = {"what is known": known(color, mask)}
    panels |= dict([named("λ = 1e10", merge_poisson(gray, color, mask, 1e10), color)])
    return {"": plot_strip(panels, width=6)}


@figure(22, "Edges colored, against random points, in RGB")
def edges_in_rgb(pictures: Pictures) -> dict[str, Figure]:
    """As many pixels known on edges as at random, merged in R, G and B with λ = 1e10. Known edges fence regions in,
    and leave the color within them to be guessed."""
    return {"": plot_strip(_edges_and_points(pictures, PHOTO, {"RGB": PoissonMerging()}))}


@figure(23, "The same in YUV")
def edges_in_yuv(pictures: Pictures) -> dict[str, Figure]:
    """The masks of figure 22, spread over U and V along like luminance: by the equations of Levin et al. and by one σ
    for the whole picture."""
    methods = {"Levin et al.": PUBLISHED, "one σ": LevinColorization()}
    return {"": plot_strip(_edges_and_points(pictures, PHOTO, methods), columns=3)}


@figure(24, "More cases")
def more_cases(pictures: Pictures) -> dict[str, Figure]:
    """Two more photographs from random points, and two more scribbled ones."""
    panels = {}
    for name in (BOATS, BUILDING):
        color = pictures.target(name, SMALL)
        mask = random_mask(color)
        strip = {"what is known": known(color, mask)}
        for title, method in (("RGB", PoissonMerging()), ("YUV", LevinColorization())):
            strip |= dict([named(title, spread(method, color, mask), color)])
        panels[name.rpartition("/")[2]] = plot_strip(strip)
    for name in ("rose", "dancer"):
        panels[name] = plot_strip(scribbled(pictures, name))
    return panels


def _edges_and_points(
    pictures: Pictures, name: str, methods: dict[str, LevinColorization | PoissonMerging]
) -> dict[str, Tensor]:
    color = pictures.target(name, SMALL)
    panels = {}
    for where, mask in (("edges", edge_mask(color)), ("random points", random_mask(color))):
        panels[f"{where} known"] = known(color, mask)
        for title, method in methods.items():
            panels |= dict([named(f"{title}, {where}", spread(method, color, mask), color)])
    return panels
