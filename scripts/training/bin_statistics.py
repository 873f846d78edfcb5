"""How often each of the 313 ab bins occurs in photographs, and the weights that rebalance them.

Outputs that are all of one color mostly come from weights of other pictures than those that are trained on.

    python -m scripts.training.bin_statistics photographs/ more.tar -o bins.safetensors
    recolor fit --config configs/train/unet.yaml --model.bins bins.safetensors ...
"""

import argparse
import sys

import torch
from safetensors.torch import save_file

from recolor_torch.color.bins import BINS, ab_bins, count_bins, rebalancing_weights
from recolor_torch.errors import UsageError
from recolor_torch.training.colorization import quarter_ab
from recolor_torch.training.data import read_small


def main() -> int:
    """Count, write, and print what is common and what is rare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="folders and tar files")
    parser.add_argument("-o", "--output", required=True, help="safetensors with counts and weights")
    parser.add_argument("--side", type=int, default=160, help="shorter side at which pictures are looked at")
    parser.add_argument("--mix", type=float, default=0.5, help="1: equal weights, 0: by the inverse of the shares")
    args = parser.parse_args()
    counts, pictures = torch.zeros(BINS, dtype=torch.int64), 0
    try:
        for _, pixels in read_small(args.sources, args.side):
            image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
            counts += count_bins(quarter_ab(image))
            pictures += 1
    except UsageError as error:
        print(f"bin_statistics: {error}", file=sys.stderr)
        return 2
    if not pictures:
        print("bin_statistics: there are no pictures in these sources.", file=sys.stderr)
        return 2
    weights = rebalancing_weights(counts, args.mix)
    save_file({"counts": counts, "weights": weights}, args.output)
    share = counts / counts.sum()
    print(f"{pictures} pictures; {int((counts == 0).sum())} of {BINS} bins never occur; weights {_range(weights)}")
    for index in share.argsort(descending=True)[:8].tolist():
        a, b = ab_bins()[index].int().tolist()
        print(f"a {a:4} b {b:4}  share {share[index]:.4f}  weight {weights[index]:.2f}")
    return 0


def _range(values: torch.Tensor) -> str:
    return f"from {values.min():.2f} to {values.max():.2f}"


if __name__ == "__main__":
    sys.exit(main())
