"""Pack photographs for a short stay on a rented GPU: small WebP files in tar files of a limited size.

    python -m scripts.training.pack_pictures photographs/ more.tar -o packed/ --megabytes 50 20 50

Names are kept, so that the same pictures are held out from training. Each tar file is filled up to its size; the last
one takes what is left. ``scripts.training.train_unet`` and ``recolor fit`` read them as any other source.
"""

import argparse
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from recolor_torch.errors import UsageError
from recolor_torch.training.data import read_small


def main() -> int:
    """Read, encode, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", help="tar files of pictures, and folders")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for pack_0.tar.gz, pack_1.tar.gz, ...")
    parser.add_argument("--side", type=int, default=256, help="shorter side of the packed pictures at most")
    parser.add_argument("--longer", action="store_true", help="--side is for the longer side")
    parser.add_argument("--quality", type=int, default=75, help="of WebP")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1e9], help="size of each tar file")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    try:
        pictures = encoded(args.sources, args.side, args.quality, args.longer)
        pack(pictures, args.output, [1e6 * m for m in args.megabytes])
    except UsageError as error:
        print(f"pack_pictures: {error}", file=sys.stderr)
        return 2
    return 0


def encoded(sources: list[str], side: int, quality: int, longer: bool = False) -> Iterator[tuple[str, bytes]]:
    """Names and WebP bytes."""
    for name, pixels in read_small(sources, side, longer):
        yield name, webp(pixels, quality)


def webp(pixels: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) uint8 as a WebP file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()


def pack(pictures: Iterator[tuple[str, bytes]], folder: Path, sizes: list[float]) -> None:
    """Fill one tar file after the other."""
    number, used, count = 0, 0, 0
    archive = tarfile.open(folder / "pack_0.tar.gz", "w:gz")  # noqa: SIM115 - closed where the next one is opened
    for name, data in pictures:
        if used + len(data) > sizes[number] and number + 1 < len(sizes):
            print(f"pack_{number}.tar.gz: {count} pictures, {used / 1e6:.1f} MB", flush=True)
            archive.close()
            number, used, count = number + 1, 0, 0
            archive = tarfile.open(folder / f"pack_{number}.tar.gz", "w:gz")  # noqa: SIM115
        info = tarfile.TarInfo(Path(name).name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
        used, count = used + len(data), count + 1
    archive.close()
    print(f"pack_{number}.tar.gz: {count} pictures, {used / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
