"""Time and memory of exact histogram matching against scikit-image, at 12 megapixels, in one run.

    python -m scripts.benchmarks.bench_histogram [--megapixels 12] [--rounds 5] [--threads 1]

Prints medians of alternating rounds, the ratio to ``skimage.exposure.match_histograms``, the largest
difference to an exact sort-based matching, and the peak memory as a multiple of input plus output.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from skimage.exposure import match_histograms as skimage_match

from recolor_torch.color.histogram import order_distance
from recolor_torch.methods.histogram_tables import match_histograms


def pictures(megapixels: float, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures with smooth content and noise, (H, W, 3)."""
    rng = np.random.default_rng(0)
    height = round((megapixels * 1e6 * 0.75) ** 0.5)
    width = round(megapixels * 1e6 / height)
    waves = np.sin(np.linspace(0, 9, height))[:, None, None] * np.cos(np.linspace(0, 7, width))[None, :, None]
    out = []
    for scale, shift in ((0.3, 0.4), (0.2, 0.6)):
        x = shift + scale * waves + rng.normal(0, 0.05, (height, width, 3)).astype(np.float32)
        x = np.clip(x, 0, 1).astype(np.float32)
        out.append((x * 255 + 0.5).astype(np.uint8) if dtype == "uint8" else x)
    return out[0], out[1]


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None]


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peak_memory(megapixels: float, dtype: str) -> float:
    """Growth of the peak over the process with both pictures loaded, in a fresh process, over input + output."""
    source, reference = (tensor(x) for x in pictures(megapixels, dtype))
    small = source[..., :64, :64]
    match_histograms(small, small)  # what torch allocates once does not count
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here (Linux)
    base = _status("VmRSS")
    match_histograms(source, reference)
    peak = _status("VmHWM")
    size = source.numel() * source.element_size()
    return (peak - base + size) / (2 * size)


def _status(key: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(key))
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-of", choices=["uint8", "float32"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(peak_memory(args.megapixels, args.memory_of))
        return

    print(f"{args.megapixels:g} megapixels, RGB, {args.threads} threads, median of {args.rounds} alternating rounds")
    print(
        "| dtype | ours s | skimage s | skimage / ours | difference, largest (mean) | peak memory / (input + output) |"
    )
    print("|---|---|---|---|---|---|")
    for dtype in ("uint8", "float32"):
        source, reference = pictures(args.megapixels, dtype)
        ts, tr = tensor(source), tensor(reference)
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(timed(lambda ts=ts, tr=tr: match_histograms(ts, tr)))
            theirs.append(timed(lambda s=source, r=reference: skimage_match(s, r, channel_axis=2)))
        error = largest_error(source, reference, match_histograms(ts, tr))
        command = [sys.executable, __file__, "--memory-of", dtype, "--megapixels", str(args.megapixels)]
        memory = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"| {dtype} | {a:.3f} | {b:.3f} | {b / a:.1f} | {error[0]:.1e} ({error[1]:.1e}) | {memory:.2f} |")

    source, reference = (tensor(x) for x in pictures(args.megapixels, "uint8"))
    seconds = statistics.median(timed(lambda: order_distance(source, reference)) for _ in range(args.rounds))
    print(f"\nd_c (order_distance), exact, three channels: {seconds:.3f} s")


def largest_error(source: np.ndarray, reference: np.ndarray, ours: torch.Tensor) -> tuple[float, float]:
    """Largest and mean difference to the smallest reference value whose rank reaches the pixel's, found by sorting."""
    worst, means = 0.0, []
    for c in range(3):
        s, r = source[..., c].ravel(), np.sort(reference[..., c].ravel())
        rank = np.searchsorted(np.sort(s), s, side="right")
        exact = r[np.ceil(rank * (r.size / s.size)).astype(int) - 1].astype(np.float64)
        difference = np.abs(exact - ours[0, c].numpy().ravel().astype(np.float64))
        worst = max(worst, float(difference.max()))
        means.append(float(difference.mean()))
    return worst, statistics.mean(means)


if __name__ == "__main__":
    main()
