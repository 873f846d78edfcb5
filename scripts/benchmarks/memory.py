"""Peak memory of real processes: ``recolor colorize`` by method, size and depth, beside its --dry-run and the floor.

  python scripts/benchmarks/memory.py --methods histogram levin --megapixels 4 24 --bits 8 16

The floor is a process in which Pillow opens the file and saves it again. The bare process is the same command on a
picture of 64 x 64 pixels. Pictures are gray, as scans are, with a reference of 1 megapixel or three points of hints.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from recolor_torch.pictures.encode_tiff import write_tiff
from recolor_torch.pictures.raster import Raster

HINTED = ("levin", "poisson", "semi_interactive", "network+hints")
REFERENCED = ("histogram", "wavelet", "gram", "correspondence", "semi_interactive")
METHODS = ["histogram", "wavelet", "poisson", "levin", "gram", "correspondence", "network", "network+hints"]
METHODS += ["semi_interactive"]
STEPS = {"gram": ["--gram.steps", "3"]}  # its history is whole from the first step: more steps take no more memory
SIDE = 1000  # of the repeated block


def block(seed: int) -> np.ndarray:
    """A smooth gray picture of ``SIDE`` pixels a side, with grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12)).astype(np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    return (np.asarray(coarse).astype(np.int32) + rng.integers(-3, 4, (SIDE, SIDE))).clip(0, 255).astype(np.uint8)


def make_picture(path: Path, megapixels: float, bits: int) -> tuple[int, int]:
    """A gray TIFF of 3 by 2; returns width and height."""
    width = max(64, round((megapixels * 1.5e6) ** 0.5))
    height = max(64, round(width / 1.5)) if megapixels else 64
    row = np.tile(block(0), (1, -(-width // SIDE)))[:, :width]
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)

    def bands():
        for top in range(0, height, SIDE):
            band = row[: min(SIDE, height - top), :, None].astype(dtype)
            yield band if bits == 8 else band * np.uint16(257)

    with path.open("wb") as file:
        write_tiff(file, Raster((height, width, 1), dtype, bands()))
    return width, height


# Linux keeps the largest memory of a process, but counts what its parent had when it was forked; the note of the
# process itself begins anew with its program.
WATCHED = """
import atexit, runpy, sys
def note():
    lines = open("/proc/self/status").read().splitlines()
    open("peak.txt", "w").write(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
atexit.register(note)
"""
COLORIZE = WATCHED + "sys.argv[0] = 'recolor'; runpy.run_module('recolor_torch', run_name='__main__', alter_sys=False)"
FLOOR = (
    WATCHED
    + """
from PIL import Image
Image.MAX_IMAGE_PIXELS = None
Image.open("scan.tif").save("floor.tif")
"""
)


def run(code: str, arguments: list[str], folder: Path) -> tuple[int, float]:
    """Exit code and peak memory of a process, in MB."""
    with (folder / "out.txt").open("w") as out:
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, stdout=out, stderr=out, check=False)
    return done.returncode, int((folder / "peak.txt").read_text()) / 1024


def guidance(method: str, folder: Path, size: tuple[int, int]) -> list[str]:
    """Flags that give a method what it needs."""
    flags = ["-r", "reference.png"] if method in REFERENCED else []
    if method in HINTED:
        width, height = size
        points = [
            {"x": width * x, "y": height * y, "radius": width / 50, "color": color}
            for x, y, color in ((0.2, 0.3, "#b04030"), (0.5, 0.6, "#3050b0"), (0.8, 0.4, "#40a050"))
        ]
        (folder / "hints.json").write_text(json.dumps({"size": [width, height], "points": points}))
        flags += ["--hints", "hints.json"]
    return flags


def measure(method: str, megapixels: float, bits: int, folder: Path) -> dict:
    """Peak of the command, and what its dry run says, in MB."""
    size = make_picture(folder / "scan.tif", megapixels, bits)
    name = method.partition("+")[0]
    arguments = ["colorize", "scan.tif", "-m", name, "-o", "result.tif", *guidance(method, folder, size)]
    arguments += STEPS.get(name, [])
    code, peak = run(COLORIZE, [*arguments, "--overwrite"], folder)
    said = None
    command = [sys.executable, "-m", "recolor_torch", *arguments, "--overwrite", "--dry-run", "--json"]
    text = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    for line in text.splitlines():
        said = json.loads(line).get("memory_mb", said)
    failed = "" if code == 0 else (folder / "out.txt").read_text().strip().splitlines()[-1][:80]
    return {"code": code, "peak": peak, "said": said, "pixels": size[0] * size[1], "failed": failed}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--megapixels", nargs="+", type=float, default=[4, 24, 60, 115])
    parser.add_argument("--bits", nargs="+", type=int, default=[8, 16])
    parser.add_argument("--weights", help="of VGG-19, for gram and correspondence")
    args = parser.parse_args()
    if args.weights:
        os.environ["RECOLOR_VGG19"] = str(Path(args.weights).absolute())
    print("| method | MP | bits | peak, MB | over the bare process, B/pixel | --dry-run, MB | off | floor, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(np.dstack([block(1), block(2), block(3)])).save(folder / "reference.png")
        for method in args.methods:
            bare = measure(method, 0, 8, folder)["peak"]
            for bits in args.bits:
                for megapixels in args.megapixels:
                    found = measure(method, megapixels, bits, folder)
                    _, least = run(FLOOR, [], folder)
                    over = (found["peak"] - bare) * 2**20 / found["pixels"]
                    said = found["said"] or 0
                    off = f"{said * 1e6 / 2**20 / found['peak'] - 1:+.0%}" if said else ""
                    row = [method, f"{megapixels:g}", bits, f"{found['peak']:.0f}", f"{over:.1f}", said, off]
                    print("| " + " | ".join(map(str, [*row, f"{least:.0f}"])) + " |", found["failed"], flush=True)
            print(f"The bare process of {method}: {bare:.0f} MB.", flush=True)


if __name__ == "__main__":
    main()
