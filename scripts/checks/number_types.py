"""Which devices and number types the operators and methods take: a table in Markdown.

    python scripts/checks/number_types.py             on the processor and on every accelerator that is there
    python scripts/checks/number_types.py gram levin  rows whose name has one of these in it

A cell says "right" where the result keeps the type of what came in and is that of float64 to the rounding of the type,
"off by ..." (of the range of the result) where it is not, or the sentence of the refusal. Pictures of 8 bits are whole
numbers from 0 to 255.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recolor_torch.color import (
    fit_gamut,
    hsi_to_rgb,
    lab_to_rgb,
    rgb_to_hsi,
    rgb_to_lab,
    rgb_to_luminance,
    rgb_to_yuv,
    yuv_to_rgb,
)
from recolor_torch.color.histogram import histogram, style_distance
from recolor_torch.evaluation import ciede2000, psnr, ssim
from recolor_torch.features import gram_matrix
from recolor_torch.filters import dwt2, edge_probability, gauss_filter, idwt2, laplacian, mean_filter, soft_histogram
from recolor_torch.filters.motion import optical_flow
from recolor_torch.guide import Guide, Reference
from recolor_torch.losses import total_variation
from recolor_torch.methods import METHODS, build_method, spread_chroma
from recolor_torch.methods.histogram_tables import match_histograms
from recolor_torch.methods.poisson import merge_poisson
from recolor_torch.pipeline import recolor
from recolor_torch.resize import resize

TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.uint8)
# Share of the range of the result that rounding may move it by. In 8 bits one level.
ROUNDING = {torch.float64: 1e-9, torch.float32: 2e-3, torch.bfloat16: 3e-2, torch.float16: 6e-3, torch.uint8: 5e-3}


@dataclass
class Scene:
    """Pictures of one type: sRGB and another, (2, 3, 24, 32); a mask of points, (2, 1, 24, 32)."""

    rgb: Tensor
    other: Tensor
    mask: Tensor

    @property
    def y(self) -> Tensor:
        """The first channel."""
        return self.rgb[:, :1]


OPERATORS: dict[str, Callable[[Scene], Tensor]] = {
    "rgb_to_luminance": lambda s: rgb_to_luminance(s.rgb),
    "rgb_to_yuv": lambda s: rgb_to_yuv(s.rgb),
    "yuv_to_rgb": lambda s: yuv_to_rgb(s.rgb - s.other),
    "rgb_to_hsi": lambda s: rgb_to_hsi(s.rgb)[:, 1:],  # the angle of a gray pixel is rounding alone
    "hsi_to_rgb": lambda s: hsi_to_rgb(s.rgb),
    "rgb_to_lab": lambda s: rgb_to_lab(s.rgb),
    "lab_to_rgb": lambda s: lab_to_rgb(40 * s.rgb),
    "fit_gamut": lambda s: fit_gamut(s.y, s.rgb[:, 1:] - s.other[:, 1:]),
    "histogram": lambda s: histogram(s.rgb, 256),
    "style_distance": lambda s: style_distance(s.rgb, s.other),
    "match_histograms": lambda s: match_histograms(s.rgb, s.other),
    "resize": lambda s: resize(s.rgb, (15, 19)),
    "mean_filter": lambda s: mean_filter(s.rgb),
    "gauss_filter": lambda s: gauss_filter(s.rgb),
    "laplacian": lambda s: laplacian(s.rgb),
    "edge_probability": lambda s: edge_probability(s.y),
    "dwt2, idwt2": lambda s: idwt2(dwt2(s.rgb, "db2", 2), "db2"),
    "soft_histogram": lambda s: soft_histogram(s.rgb),
    "optical_flow": lambda s: optical_flow(s.y, s.y.roll(1, -1)),
    "gram_matrix": lambda s: gram_matrix(s.rgb),
    "total_variation": lambda s: total_variation(s.rgb),
    "spread_chroma": lambda s: spread_chroma(s.y, s.other[:, 1:], s.mask),
    "merge_poisson": lambda s: merge_poisson(s.rgb, s.other, s.mask),
    "psnr": lambda s: psnr(s.rgb, s.other),
    "ssim": lambda s: ssim(s.rgb, s.other),
    "ciede2000": lambda s: ciede2000(60 * s.rgb, 60 * s.other),
}
# Numbers about pictures: float64 or whole numbers, whatever comes in.
OWN_TYPE = ("histogram", "style_distance", "psnr", "ssim")
# These take levels of 8 bits as they are.
OF_LEVELS = ("histogram", "style_distance", "match_histograms", "resize")


def color(name: str, scene: Scene) -> Tensor:
    """A method's picture, with a reference and points."""
    method = build_method(name, **({"steps": 2, "coarse_steps": 1} if name == "gram" else {}))
    guide = Guide((Reference(scene.other[:1]),), hints=scene.other, hint_mask=scene.mask)
    return recolor(scene.rgb, method, guide)


def scene(dtype: torch.dtype, device: str) -> Scene:
    """Smooth pictures of levels that 8 bits hold, so that no type rounds them but the 16-bit ones."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 4, 5, generator=generator)
    levels = (torch.nn.functional.interpolate(coarse, (24, 32), mode="bilinear") * 255).round()
    mask = torch.zeros(2, 1, 24, 32)
    mask[..., 4::9, 5::11] = 1
    if dtype == torch.uint8:
        return Scene(levels[:2].to(dtype).to(device), levels[2:].to(dtype).to(device), mask.to(device))
    # Dyadic fractions of 256: exact in every type.
    parts = [(x.double() / 256).to(dtype).to(device) for x in (levels[:2], levels[2:])]
    return Scene(*parts, mask.to(dtype).to(device))


def cell(call: Callable[[Scene], Tensor], name: str, dtype: torch.dtype, device: str) -> str:
    """What one operator or method does with one type on one device."""
    given = scene(dtype, device)
    try:
        found = call(given)
    except (TypeError, ValueError) as error:
        return str(error)
    if dtype == torch.uint8 and name in OF_LEVELS:
        expected = _of_levels(call, name, given)
    else:
        expected = call(scene(torch.float64, "cpu")) if device != "cpu" or dtype != torch.float64 else found
    if name not in OWN_TYPE and found.dtype != dtype:
        return f"comes back as {str(found.dtype).removeprefix('torch.')}"
    if found.device.type != device.split(":")[0]:
        return f"comes back on {found.device}"
    error = (found.double().cpu() - expected.double().cpu()).abs().max() / expected.double().abs().max().clamp(min=1e-9)
    return "right" if error <= ROUNDING[dtype] else f"off by {float(error):.1e}"


def _of_levels(call: Callable[[Scene], Tensor], name: str, given: Scene) -> Tensor:
    """What 256 levels give as fractions of 255 in float64, back in levels where pictures come out."""
    fractions = Scene(*(x.double().cpu() / 255 for x in (given.rgb, given.other)), given.mask.double().cpu())
    found = call(fractions)
    return (found * 255).round() if name in ("match_histograms", "resize") else found


def devices() -> list[str]:
    """The processor, and each accelerator of this machine."""
    found = ["cpu"]
    found += ["cuda"] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return found


def rows(words: Sequence[str] = ()) -> dict[str, Callable[[Scene], Tensor]]:
    """Operators and methods, those whose name has one of ``words`` in it."""
    every = {**OPERATORS, **{f"method {name}": lambda s, name=name: color(name, s) for name in sorted(METHODS)}}
    return {name: call for name, call in every.items() if not words or any(word in name for word in words)}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a cell is wrong rather than right or refused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="rows whose name has one of these in it")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    heads = [f"{device} {str(t).removeprefix('torch.')}" for device in devices() for t in TYPES]
    print("| | " + " | ".join(heads) + " |\n" + "| --- " * (1 + len(heads)) + "|")
    wrong = False
    for name, call in rows(args.words).items():
        cells = [cell(call, name, t, device) for device in devices() for t in TYPES]
        wrong |= any(text.startswith(("off by", "comes back")) for text in cells)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
