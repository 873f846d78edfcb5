"""Fit the shares of the kernels by which hints reach what looks alike: ``SHARES`` of methods/kriging.py.

    python -m scripts.training.fit_kriging train_*.tar [--limit 200] [--points 0 1 5] [--weights FILE]

The network colors photographs that are held out from training, up to ``--limit``, from so many true points. What the
covariance of its errors is are the products of its errors at two places, over the mean square of its errors in the
picture; the shares of the kernels are fitted to them by least squares, none below 0. Printed is a line for each number
of points; its shares add up to 1.
"""

import argparse
import sys

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import rgb_to_yuv
from recolor_torch.errors import UsageError
from recolor_torch.evaluation.protocols import points_of, random_numbers, to_8_bits
from recolor_torch.methods.kriging import GRID, kernels, sites_of
from recolor_torch.methods.network import NetworkColorization
from recolor_torch.resize import resize
from scripts.training.train_unet import decoded

SIDE = 256
# Sites of a picture whose errors are compared: those that stand for hints, in the middle rather, and all others.
HINTED, OTHERS = 24, 384
# Errors (U and V) below this are rounding.
_LEAST_ERROR = 0.01


def main() -> int:
    """Read, color, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="tar files of pictures, and folders")
    parser.add_argument("--limit", type=int, default=200, help="take only so many held-out pictures")
    parser.add_argument("--points", type=int, nargs="+", default=[0, 1, 5])
    parser.add_argument("--weights", help="of the network; those that come with the package without it")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    network = NetworkColorization(weights=args.weights, vividness=0.0, propagate=False)
    try:
        network.prepare()
        _, held_out = decoded(args.sources, SIDE)
    except UsageError as error:
        print(f"fit_kriging: {error}", file=sys.stderr)
        return 2
    generator = torch.Generator().manual_seed(args.seed)
    sums: dict[int, list[Tensor]] = {count: [] for count in args.points}
    for number, (name, pixels) in enumerate(held_out[: args.limit], start=1):
        image = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255
        truth = to_8_bits(resize(image, (SIDE, SIDE)).clamp(0, 1))
        for count in args.points:
            sums[count].append(compared(network, truth, count, name, generator))
        if number % 20 == 0:
            print(f"{number} of {len(held_out[: args.limit])}", file=sys.stderr, flush=True)
    for count, found in sums.items():
        print(f"{count} points: {', '.join(f'{share:.2f}' for share in fitted(torch.stack(found).mean(0)))}")
    return 0


@torch.no_grad()
def compared(network: NetworkColorization, truth: Tensor, count: int, name: str, generator: torch.Generator) -> Tensor:
    """Of one picture the mean products of all kernels and of the errors with each other, (K + 1, K + 1)."""
    luminance, chroma = rgb_to_yuv(truth).split((1, 2), 1)
    features = network.estimate(luminance).features
    assert features is not None
    hints, mask = points_of(truth, count, random_numbers(0, name, "points"))
    guess, _ = network.prior(luminance, *((rgb_to_yuv(hints)[:, 1:], mask) if count else ()))
    error = F.adaptive_avg_pool2d(chroma - guess, GRID)[0].flatten(1).T
    features = F.interpolate(features, size=GRID, mode="bilinear", align_corners=False)
    cells = sites_of(F.adaptive_avg_pool2d(luminance, GRID)[0], features[0])
    middle = (GRID / 2 + GRID / 4 * torch.randn(HINTED, 2, generator=generator)).clamp(0, GRID - 1).long()
    hinted, others = middle[:, 0] * GRID + middle[:, 1], torch.randperm(GRID**2, generator=generator)[:OTHERS]
    products = error[hinted] @ error[others].T / (error.square().sum(1).mean() + _LEAST_ERROR**2)
    rows = torch.stack([k.flatten() for k in (*kernels(cells.at(hinted), cells.at(others)), products)]).double()
    return rows @ rows.T / rows.shape[1]


def fitted(products: Tensor) -> np.ndarray:
    """Shares of the kernels, which add up to 1, by the means of ``compared`` over all pictures."""
    kernel, error = products[:-1, :-1], products[:-1, -1:]
    factor = torch.linalg.cholesky(kernel + 1e-6 * torch.eye(len(kernel), dtype=kernel.dtype))
    right = torch.linalg.solve_triangular(factor, error, upper=False)
    shares, _ = nnls(factor.T.numpy(), right[:, 0].numpy())
    return shares / shares.sum()


if __name__ == "__main__":
    sys.exit(main())
