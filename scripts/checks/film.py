"""Two promises about long films, tried: a run that is killed goes on and gives the same bytes, and memory is bounded.

    python scripts/checks/film.py [--frames 300] [--kills 10] [--long 1000]

Writes a film of noise-free moving texture into a temporary folder, colors it from one reference without a network (the
network's own part is the same for every frame), kills the run at random moments, and compares the result with that of
a run that was left alone. Then it colors a film of --long frames and prints the peak memory after each fifth of it.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (96, 64)
CHILD = """
import resource, sys
from pathlib import Path
from recolor_torch.film import FilmSettings, coloring, colorize_film
from recolor_torch.film.guidance import FilmGuidance
from recolor_torch.film.sources import Sources
plan = coloring.plan_parts
coloring.plan_parts = lambda shots, exact: plan(shots, exact, 25)
said = [0]
def tell(progress):
    if progress.share >= said[0] / 5:
        said[0] += 1
        if "-v" in sys.argv:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{progress.share:5.0%} {peak:6.0f} MB", flush=True)
settings = FilmSettings(codec="ffv1", side=64)
guidance = FilmGuidance(references=(Path(sys.argv[3]),))
colorize_film(Path(sys.argv[1]), Path(sys.argv[2]), Sources(None), guidance, settings, on_progress=tell)
"""


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--long", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.kills:
            kill(folder, args.frames, args.kills)
        if args.long:
            write_film(folder / "long.mkv", args.long, folder / "ref_0001.png")
            print(f"peak memory while {args.long} frames are colored", flush=True)
            start(folder / "long.mkv", folder / "long_out.mkv", folder / "ref_0001.png", "-v").wait()


def kill(folder: Path, frames: int, kills: int) -> None:
    """Color a film alone, then one that is killed at random; compare."""
    film, reference = folder / "film.mkv", folder / "ref_0001.png"
    write_film(film, frames, reference)
    began = time.perf_counter()
    if start(film, folder / "alone.mkv", reference).wait():
        raise SystemExit("the run that was left alone failed")
    whole = time.perf_counter() - began
    done = 0
    while done < kills:
        process = start(film, folder / "killed.mkv", reference)
        try:
            process.wait(timeout=random.uniform(0.1, 0.7) * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            parts = len(list((folder / ".killed.mkv.recolor-work").glob("part-*.packets")))
            print(f"killed {done} times; {parts} parts of the film are done", flush=True)
        else:
            finished(folder, done)
            (folder / "killed.mkv").unlink(missing_ok=True)
    if start(film, folder / "killed.mkv", reference).wait():
        raise SystemExit("the run that was killed does not finish")
    finished(folder, done)


def finished(folder: Path, kills: int) -> None:
    """Say whether a film that was killed is as the one that was not."""
    same = (folder / "alone.mkv").read_bytes() == (folder / "killed.mkv").read_bytes()
    print(f"killed {kills} times, then finished: {'the same bytes' if same else 'OTHER BYTES'}", flush=True)


def start(film: Path, output: Path, reference: Path, *more: str) -> subprocess.Popen:
    """Begin to color a film in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", CHILD, str(film), str(output), str(reference), *more])


def write_film(path: Path, frames: int, reference: Path) -> None:
    """A texture that moves by a pixel a frame, to and fro, and its first frame in color."""
    import av

    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(40, 200, (12, 40), np.uint8))
    texture = np.asarray(coarse.resize((SIZE[0] + 100, SIZE[1]), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for i in range(frames):
            x = abs((i % 200) - 100)
            view = texture[:, x : x + SIZE[0]]
            frame = av.VideoFrame(*SIZE, "yuv420p")
            for k, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
                rows[:] = 128
                if k == 0:
                    rows[:, : SIZE[0]] = view
            frame.pts = i
            out.mux(stream.encode(frame))
            if i == 0:
                tint = view[..., None].astype(int) + np.array([20, 0, -20])
                Image.fromarray(tint.clip(0, 255).astype(np.uint8)).save(reference)
        out.mux(stream.encode(None))


if __name__ == "__main__":
    main()
