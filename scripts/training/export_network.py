"""Turn a checkpoint of training into weights for use: the averaged network, in half the bits; or into a program.

python -m scripts.training.export_network training/unet/last.ckpt -o unet.safetensors
recolor colorize old.jpg -m network --weights unet.safetensors -o new.jpg

A program runs without this package, on pictures of any size: `unet.pt2` by `torch.export.load`, `unet.onnx` by an ONNX
runtime (pip install onnx onnxscript). `recolor_torch.networks.export` says what it reads and answers.
"""

import argparse
import sys
from pathlib import Path

from recolor_torch.errors import UsageError, WeightsMissing
from recolor_torch.files import write_atomically
from recolor_torch.networks.export import write_program
from recolor_torch.networks.loading import NETWORKS, load_network, save_network


def main() -> int:
    """Read, write, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a checkpoint of recolor fit, or other weights of the network")
    parser.add_argument("-o", "--output", type=Path, required=True, help="FILE.safetensors, .pt2 or .onnx")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="unet")
    args = parser.parse_args()
    try:
        network, _ = load_network(args.network, args.checkpoint)
        if args.output.suffix in (".pt2", ".onnx"):
            write_program(network, args.output)
            print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")
            return 0
    except (UsageError, WeightsMissing) as error:
        print(f"export_network: {error}", file=sys.stderr)
        return 2
    with write_atomically(args.output) as part:
        save_network(network, part)
    digest = load_network(args.network, args.output)[1]
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, weights {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
