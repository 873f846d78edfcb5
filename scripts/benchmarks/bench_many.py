"""Whether memory stays flat: the peak of one ``recolor colorize`` after so many pictures of a folder (Linux).

    python -m scripts.benchmarks.bench_many [--at 500 2500 5000] [--megapixels 0.05] [--method histogram]

Small JPEGs are made in a temporary folder. The peak is that of the process (VmHWM) when so many results lie there.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = 1.5  # width over height


def make_pictures(folder: Path, count: int, megapixels: float) -> None:
    """So many JPEGs, of 20 that are unlike: smooth, with grain, as photographs are."""
    folder.mkdir(parents=True)
    rng, files = np.random.default_rng(0), []
    width = max(8, round((megapixels * 1e6 * SHAPE) ** 0.5))
    for _ in range(20):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, round(width / SHAPE)), Image.Resampling.BICUBIC)).astype(int)
        buffer = BytesIO()
        Image.fromarray((smooth + rng.integers(-4, 5, smooth.shape)).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG")
        files.append(buffer.getvalue())
    for i in range(count):
        (folder / f"{i:06d}.jpg").write_bytes(files[i % len(files)])


def peaks(command: list[str], out: Path, counts: list[int]) -> list[float]:
    """Peak megabytes of a command once so many results lie in ``out``.

    Raises:
        SystemExit: the command failed.
    """
    found, peak = [], 0.0
    with subprocess.Popen(command) as process:
        status = Path(f"/proc/{process.pid}/status")
        for count in counts:
            while process.poll() is None and len(list(out.glob("*.jpg"))) < count:
                peak = max(peak, _peak(status))
                time.sleep(0.05)
            found.append(max(peak, _peak(status)))
    if process.returncode:
        raise SystemExit(process.returncode)
    return found


def _peak(status: Path) -> float:
    """In megabytes; 0 of a process that has ended."""
    try:
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    except OSError:
        return 0.0
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", type=int, nargs="+", default=[500, 2500, 5000])
    parser.add_argument("--megapixels", type=float, default=0.05)
    parser.add_argument("--method", default="histogram")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        make_pictures(top / "in", max(args.at), args.megapixels)
        make_pictures(top / "reference", 1, args.megapixels)
        command = [sys.executable, "-m", "recolor_torch", "colorize", "-q", "-m", args.method, str(top / "in")]
        command += ["-o", str(top / "out"), "--device", "cpu"]
        if args.method != "network":
            command += ["-r", str(top / "reference/000000.jpg")]
        start = time.perf_counter()
        found = peaks(command, top / "out", sorted(args.at))
        seconds = time.perf_counter() - start
    print("| pictures | peak, MB |\n| --: | --: |")
    for count, peak in zip(sorted(args.at), found):
        print(f"| {count} | {peak:.0f} |")
    print(f"\n{seconds:.0f} s of the clock.")


if __name__ == "__main__":
    main()
