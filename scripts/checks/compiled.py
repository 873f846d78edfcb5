"""torch.compile by ``inductor``: colors, filters, two methods and the shipped network, beside plain operations.

    python scripts/checks/compiled.py            all rows
    python scripts/checks/compiled.py network    those whose name has this in it

Says the largest difference from the plain result and the seconds that compiling took. On a processor ``inductor`` needs
a C++ compiler. The tests hold that each is one graph (backend ``eager``); this is whether the code that the compiler
makes is right.
"""

import argparse
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from recolor_torch.color import (
    fit_gamut,
    hsi_to_rgb,
    lab_to_rgb,
    rgb_to_hsi,
    rgb_to_lab,
    rgb_to_yuv,
    yuv_to_rgb,
)
from recolor_torch.color.histogram import histogram
from recolor_torch.evaluation import ciede2000
from recolor_torch.filters import gauss_filter, laplacian, mean_filter
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import build_method
from recolor_torch.resize import resize

TOLERANCE = 1e-4
"""Of what is computed in float32, as a part of the largest value."""


def rows() -> dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]]:
    """What is compiled, and its inputs."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 61, 84, generator=generator)
    other = torch.rand(2, 3, 50, 70, generator=generator)

    def method(name: str, **settings: object) -> Callable[..., Tensor]:
        module = build_method(name, **settings)
        return lambda x, reference: module(x, Guide((Reference(reference),)))

    network = build_method("network").eval()
    network.prepare()

    def proposal(x: Tensor) -> Tensor:
        with torch.no_grad():
            return network(x, Guide())

    def shipped(luminance: Tensor) -> Tensor:
        with torch.no_grad():
            estimate = network.loaded(luminance)
        return torch.cat([x.flatten() for x in (estimate.logits, estimate.chroma, estimate.vivid)])

    return {
        "rgb_to_lab": (rgb_to_lab, (image,)),
        "lab_to_rgb": (lab_to_rgb, (rgb_to_lab(image),)),
        "rgb_to_yuv": (rgb_to_yuv, (image,)),
        "yuv_to_rgb": (yuv_to_rgb, (rgb_to_yuv(image),)),
        "rgb_to_hsi": (rgb_to_hsi, (image,)),
        "hsi_to_rgb": (hsi_to_rgb, (rgb_to_hsi(image),)),
        "fit_gamut": (fit_gamut, (image[:, :1], image[:, 1:] - 0.5)),
        "ciede2000": (ciede2000, (rgb_to_lab(image), rgb_to_lab(image.flip(-1)))),
        "histogram": (histogram, (image,)),
        "mean_filter": (mean_filter, (image,)),
        "gauss_filter": (gauss_filter, (image,)),
        "laplacian": (laplacian, (image,)),
        "resize": (lambda x: resize(x, (30, 41)), (image,)),
        "shipped network": (shipped, (rgb_to_yuv(image)[:, :1],)),
        "method wavelet": (method("wavelet"), (rgb_to_yuv(image), rgb_to_yuv(other))),
        "method histogram": (method("histogram"), (rgb_to_yuv(image), rgb_to_yuv(other))),
        "method network": (proposal, (rgb_to_lab(image),)),
    }


def main() -> None:
    """Print a table in Markdown; the exit code is 1 where a result is another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="rows whose name has one of these in it")
    args = parser.parse_args()
    print("| what | one graph | largest difference | largest value | seconds |\n| --- | --- | --- | --- | --- |")
    failed = 0
    for name, (function, inputs) in rows().items():
        if args.words and not any(word in name for word in args.words):
            continue
        expected = function(*inputs)
        torch.compiler.reset()
        graphs = torch._dynamo.explain(function)(*inputs).graph_count  # noqa: SLF001 # torch has no public name for it
        torch.compiler.reset()
        start = time.monotonic()
        try:
            found = torch.compile(function, backend="inductor")(*inputs)
        except Exception as error:  # noqa: BLE001 # the sentence is the result
            print(f"| {name} | {type(error).__name__}: {' '.join(str(error).split())[:200]} |", flush=True)
            failed += 1
            continue
        took = time.monotonic() - start
        off, most = float((found - expected).abs().max()), float(expected.abs().max())
        failed += off > TOLERANCE * max(most, 1.0)
        one = "yes" if graphs == 1 else f"{graphs} graphs"
        print(f"| {name} | {one} | {off:.1e} | {most:.3g} | {took:.0f} |", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
