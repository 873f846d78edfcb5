r"""Time of the wavelet transform against ptwt and PyWavelets, in one run with alternating rounds.

    python -m scripts.benchmarks.bench_wavelet [--megapixels 1 4 12] [--wavelets haar db4 sym8] [--rounds 5] \
        [--threads 1]
                                    [--dtype float32] [--device cpu]

One gray picture, five levels, mode symmetric. Prints medians in milliseconds, how many times as long the fastest form
of ptwt (``wavedec2`` or the separable ``fswavedec2``) and PyWavelets take, and the largest difference to PyWavelets;
then the whole merge of three channels in both transforms.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import ptwt
import pywt
import torch
from torch import Tensor

from recolor_torch.filters import dwt2, idwt2
from recolor_torch.methods.wavelet import merge_wavelets

LEVELS = 5
MODE = "symmetric"


def medians(runs: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, float]:
    """Milliseconds of each, measured in turns so that a slow moment of the machine meets all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if i:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(s) for name, s in seconds.items()}


def compare(x: Tensor, wavelet: str, rounds: int) -> None:
    picture = x[0, 0].cpu().numpy()
    pyramid = dwt2(x, wavelet, LEVELS, MODE)
    theirs = ptwt.wavedec2(x[0], wavelet, level=LEVELS, mode=MODE)
    separable = ptwt.fswavedec2(x[0], wavelet, level=LEVELS, mode=MODE)
    arrays = pywt.wavedec2(picture, wavelet, MODE, LEVELS)
    forward = medians(
        {
            "ours": lambda: dwt2(x, wavelet, LEVELS, MODE),
            "ptwt": lambda: ptwt.wavedec2(x[0], wavelet, level=LEVELS, mode=MODE),
            "ptwt separable": lambda: ptwt.fswavedec2(x[0], wavelet, level=LEVELS, mode=MODE),
            "pywt": lambda: pywt.wavedec2(picture, wavelet, MODE, LEVELS),
        },
        rounds,
        x.device,
    )
    inverse = medians(
        {
            "ours": lambda: idwt2(pyramid, wavelet, MODE),
            "ptwt": lambda: ptwt.waverec2(theirs, wavelet),
            "ptwt separable": lambda: ptwt.fswaverec2(separable, wavelet),
            "pywt": lambda: pywt.waverec2(arrays, wavelet, MODE),
        },
        rounds,
        x.device,
    )
    finest = torch.stack(pyramid.details[-1])[:, 0, 0].cpu()
    error = max(float((a - torch.from_numpy(b)).abs().max()) for a, b in zip(finest, arrays[-1]))
    for name, times in (("forward", forward), ("inverse", inverse)):
        best = min(times["ptwt"], times["ptwt separable"])
        cells = "  ".join(f"{key} {value:8.1f}" for key, value in times.items())
        ratios = f"ptwt {best / times['ours']:5.2f} x  pywt {times['pywt'] / times['ours']:5.2f} x"
        print(f"  {wavelet:6} {name}  {cells}  |  {ratios}")
    print(f"  {wavelet:6} largest difference to PyWavelets {error:.1e}")


def merges(x: Tensor) -> dict[str, Callable[[], object]]:
    weights, source = (0.3, 0.5, 0.7, 0.9, 1, 1), x.flip(-1)
    return {
        "dwt": lambda: merge_wavelets(x, source, weights, transform="dwt"),
        "stationary": lambda: merge_wavelets(x, source, weights, transform="stationary"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 12])
    parser.add_argument("--wavelets", nargs="+", default=["haar", "db4", "sym8"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    generator = torch.Generator().manual_seed(0)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "ptwt", "PyWavelets"))
    print(f"{versions}, {arguments.threads} threads")
    for megapixels in arguments.megapixels:
        height = round((megapixels * 1e6 * 0.75) ** 0.5)
        width = round(megapixels * 1e6 / height)
        x = torch.rand(1, 3, height, width, generator=generator).to(device, getattr(torch, arguments.dtype))
        print(f"{width} x {height}, {arguments.dtype}, ms")
        with torch.inference_mode():
            for wavelet in arguments.wavelets:
                compare(x[:, :1].contiguous(), wavelet, arguments.rounds)
            times = medians(merges(x), arguments.rounds, device)
            print("  merge of three channels, haar: " + ", ".join(f"{k} {v:.0f}" for k, v in times.items()))


if __name__ == "__main__":
    main()
