"""Make a gallery of folders of pictures, from Python: the same code as ``recolor gallery build``.

python -m scripts.examples.index_gallery photos.gallery photos/ [more/ ...] [--weights vgg19.safetensors] [--devices 2]
"""

import argparse
from pathlib import Path

from recolor_torch.features import find_vgg19
from recolor_torch.gallery import make_spec
from recolor_torch.gallery.upkeep import build_gallery
from recolor_torch.lit.gallery import embed_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery", type=Path)
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--weights")
    parser.add_argument("--devices", type=int, default=1)
    args = parser.parse_args()

    weights = find_vgg19(args.weights, depth=5)

    def embed(folder, spec, files):
        return embed_pictures(folder, spec, files, weights, devices=args.devices)

    spec = make_spec(weights, layers=["conv_4", "conv_5"], pooling="mean_std")
    outcome = build_gallery(args.gallery, args.pictures, spec, embed, factory="Flat")
    print(f"{outcome.header.pictures} pictures in {args.gallery}, {len(outcome.skipped)} could not be read")


if __name__ == "__main__":
    main()
