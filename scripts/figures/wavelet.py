"""Figures 11 to 16: wavelet merging (report, section 2.2).

The report's pictures had 10 levels: a short side of 1024 pixels. Ours are brought to it.
"""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.color import rgb_to_luminance, rgb_to_yuv
from recolor_torch.filters import amplify_contrast, dwt2
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import WaveletMerging
from recolor_torch.methods.histogram_tables import match_histograms
from recolor_torch.methods.wavelet import merge_wavelets, splice_wavelets
from recolor_torch.pipeline import recolor
from recolor_torch.plots.figures import plot_lambda, plot_strip, plot_wavelet
from recolor_torch.resize import resize
from scripts.figures.registry import Pictures, figure

PAIR = "multi_view/lund_1"
STYLE = "same_kind/photo_57"
SPLICED, SEA = "video/kite_surf", "same_kind/ocean"
SHORT_SIDE = 1024


def _pair(pictures: Pictures, name: str) -> tuple[Tensor, Tensor]:
    """Gray target and the reference at its size."""
    target = pictures.gray(name, SHORT_SIDE)
    return target, resize(pictures.reference(name), target.shape[-2:]).clamp(0, 1)


@figure(11, "Wavelet coefficients")
def coefficients(pictures: Pictures) -> dict[str, Figure]:
    """Four levels of the Haar transform of a photograph; details are scaled level by level."""
    return {"": plot_wavelet(dwt2(rgb_to_luminance(pictures.target(PAIR, 512)), "haar", 4))}


@figure(12, "λ₀ = 0, the rest 1, with 6, 7, 8 and 9 components")
def hard_schedules(pictures: Pictures) -> dict[str, Figure]:
    """The coarsest approximation is the source's and all details are the target's, in R, G and B. Squares of 32 to 256
    pixels show; the stationary transform below has none."""
    target, source = _pair(pictures, PAIR)
    panels = {}
    for transform in ("dwt", "stationary"):
        results = {"target": target, "source": source}
        for components in (6, 7, 8, 9):
            weights = (0, *[1] * (components - 1))
            results[f"0, then {components - 1} ones"] = merge_wavelets(target, source, weights, transform=transform)  # type: ignore[arg-type]
        panels[transform] = plot_lambda(results)
    return panels


@figure(13, "Gradual schedules")
def gradual_schedules(pictures: Pictures) -> dict[str, Figure]:
    """Eleven components whose weight rises from the coarsest to the finest, in R, G and B."""
    target, source = _pair(pictures, PAIR)
    schedules = {
        "0, .1, .3, .5, .7, .9, 1 …": (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1, 1, 1, 1, 1),
        "0, .2, .4, .6, .8, 1 …": (0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1),
        "0, .3, .6, .9, 1 …": (0, 0.3, 0.6, 0.9, 1, 1, 1, 1, 1, 1, 1),
        "0, .4, .8, 1 …": (0, 0.4, 0.8, 1, 1, 1, 1, 1, 1, 1, 1),
    }
    results = {"target": target, "source": source}
    results |= {name: merge_wavelets(target, source, weights) for name, weights in schedules.items()}
    return {"": plot_lambda(results)}


@figure(14, "After matching R, G and B, λ = (1, .95, .8)")
def after_matching(pictures: Pictures) -> dict[str, Figure]:
    """The target in color, given the source's histograms, then a little of the source's finest details."""
    target = pictures.target(STYLE, SHORT_SIDE)
    source = resize(pictures.reference(STYLE), target.shape[-2:]).clamp(0, 1)
    matched = match_histograms(target, source)
    merged = merge_wavelets(matched, source, (1, 0.95, 0.8))
    return {"": plot_strip({"target": target, "source": source, "RGB matched": matched, "merged": merged})}


@figure(15, "A region spliced in")
def splice(pictures: Pictures) -> dict[str, Figure]:
    """A region of the target is set into the source as it is, and merged after its contrast was amplified: coarse
    colors are the source's, details the target's."""
    target = pictures.target(SPLICED, SHORT_SIDE)
    source = resize(pictures.reference(SEA), target.shape[-2:]).clamp(0, 1)
    mask = _ellipse(target, center=(0.5, 0.4), radii=(0.3, 0.24))
    y = rgb_to_luminance(target)
    louder = (target + amplify_contrast(y, gain=1.6) - y).clamp(0, 1)
    weights = (0, 0, 0.4, 0.8, *[1] * 7)
    panels = {
        "target": target,
        "source": source,
        "spliced": torch.lerp(source, target, mask),
        "merged, dwt": splice_wavelets(louder, source, mask, weights, transform="dwt"),
        "merged, stationary": splice_wavelets(louder, source, mask, weights),
        "without amplification": splice_wavelets(target, source, mask, weights),
    }
    return {"": plot_strip(panels, columns=3)}


@figure(16, "U and V only, λ = (.2, .4, .6, .8, .9, 1, …)")
def chroma_only(pictures: Pictures) -> dict[str, Figure]:
    """The luminance is the target's. Beside the report's: the default of this library, which colors the target by
    histogram first and merges with the stationary transform."""
    target, source = _pair(pictures, PAIR)
    weights = [0.2, 0.4, 0.6, 0.8, 0.9, 1, 1, 1, 1, 1, 1]
    guide = Guide(references=(Reference(source),))
    report = WaveletMerging(weights, "uv", "none", "dwt")
    panels = {
        "target": target,
        "source": source,
        "report": recolor(target, report, guide),
        "default": recolor(target, WaveletMerging(), guide),
    }
    blocks = rgb_to_yuv(panels["report"])[:, 1:2], rgb_to_yuv(panels["default"])[:, 1:2]
    scale = 2 * max(float(b.abs().amax()) for b in blocks)
    chroma = {name: 0.5 + b / scale for name, b in zip(("U of the report's", "U of the default"), blocks)}
    return {"": plot_strip(panels, columns=2), "chroma": plot_strip(chroma)}


def _ellipse(like: Tensor, center: tuple[float, float], radii: tuple[float, float]) -> Tensor:
    """1 inside of an ellipse, (1, 1, H, W); center and radii as shares of height and width."""
    h, w = like.shape[-2:]
    y = (torch.arange(h, device=like.device, dtype=like.dtype).add(0.5) / h - center[0]) / radii[0]
    x = (torch.arange(w, device=like.device, dtype=like.dtype).add(0.5) / w - center[1]) / radii[1]
    return ((y**2)[:, None] + x**2 <= 1).to(like.dtype)[None, None]
