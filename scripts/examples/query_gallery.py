"""Ask a gallery for the pictures that are like others, from Python: the same code as ``recolor gallery query``.

python -m scripts.examples.query_gallery photos.gallery old.jpg [other.jpg ...] [-k 5] [--weights vgg19.safetensors]
"""

import argparse

from recolor_torch.features import find_vgg19
from recolor_torch.gallery import Gallery
from recolor_torch.pictures import read_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gallery")
    parser.add_argument("targets", nargs="+")
    parser.add_argument("-k", type=int, default=5)
    parser.add_argument("--weights")
    args = parser.parse_args()

    gallery = Gallery.open(args.gallery)
    weights = find_vgg19(args.weights, depth=gallery.header.spec.depth)
    images = [read_picture(path).image for path in args.targets]
    for path, matches in zip(args.targets, gallery.query(images, args.k, weights)):
        print(path)
        for match in matches:
            print(f"  {match.score:6.3f}  {match.path}{'  (mirrored)' if match.mirrored else ''}")


if __name__ == "__main__":
    main()
