"""Whether memory stays flat: the peak of one ``recolor colorize`` after so many pictures of a folder (Linux).

    python -m scripts.benchmarks.bench_many [--at 500 2500 5000] [--megapixels 0.05] [--method histogram]
    python -m scripts.benchmarks.bench_many --film CLIP [--at 100 1000] [--reference PICTURE ...]

Small JPEGs are made in a temporary folder. The peak is that of the process (VmHWM) when so many results lie there. With
--film it is that of one command for each number of frames: films of so many are made of a clip, played again and again.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import av
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


def make_film(clip: Path, film: Path, frames: int) -> None:
    """So many frames of a clip, which begins again where it ends, compressed without loss."""
    with av.open(str(clip)) as source:
        found = [frame.to_ndarray(format="yuv420p") for frame in source.decode(video=0)]
    with av.open(str(film), "w") as out:
        height, width = found[0].shape[0] * 2 // 3, found[0].shape[1]
        stream = out.add_stream("ffv1", rate=25, width=width, height=height, pix_fmt="yuv420p")
        for i in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(found[i % len(found)], format="yuv420p")))
        out.mux(stream.encode())


def film_peak(clip: Path, folder: Path, frames: int, references: list[Path]) -> float:
    """Peak megabytes of a command that colors a film of so many frames by the network, and by references where given.

    Raises:
        SystemExit: the command failed.
    """
    film, peak = folder / f"{frames}.mkv", 0.0
    make_film(clip, film, frames)
    command = [
        sys.executable,
        "-m",
        "recolor_torch",
        "colorize",
        "-q",
        str(film),
        "-o",
        str(folder / f"out{frames}.mkv"),
        *(word for reference in references for word in ("-r", str(reference))),
    ]
    with subprocess.Popen([*command, "--device", "cpu"]) as process:
        while process.poll() is None:
            peak = max(peak, _peak(Path(f"/proc/{process.pid}/status")))
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(process.returncode)
    return peak


def _peak(status: Path) -> float:
    """In megabytes; 0 of a process that has ended."""
    try:
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    except OSError:
        return 0.0
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", type=int, nargs="+", help="500 2500 5000, for films 100 1000")
    parser.add_argument("--megapixels", type=float, default=0.05)
    parser.add_argument("--method", default="histogram")
    parser.add_argument("--film", type=Path, metavar="CLIP")
    parser.add_argument("--reference", type=Path, nargs="*", default=[], help="for films: pictures in color")
    args = parser.parse_args()
    counts = sorted(args.at or ([100, 1000] if args.film else [500, 2500, 5000]))
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        start = time.perf_counter()
        if args.film:
            found = [film_peak(args.film, top, count, args.reference) for count in counts]
        else:
            make_pictures(top / "in", max(counts), args.megapixels)
            make_pictures(top / "reference", 1, args.megapixels)
            command = [sys.executable, "-m", "recolor_torch", "colorize", "-q", "-m", args.method, str(top / "in")]
            command += ["-o", str(top / "out"), "--device", "cpu"]
            if args.method != "network":
                command += ["-r", str(top / "reference/000000.jpg")]
            found = peaks(command, top / "out", counts)
        seconds = time.perf_counter() - start
    print(f"| {'frames' if args.film else 'pictures'} | peak, MB |\n| --: | --: |")
    for count, peak in zip(counts, found):
        print(f"| {count} | {peak:.0f} |")
    print(f"\n{seconds:.0f} s of the clock.")


if __name__ == "__main__":
    main()
