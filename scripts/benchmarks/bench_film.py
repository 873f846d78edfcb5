"""Seconds a megapixel-frame of ``recolor colorize`` on a film, by stage.

    python -m scripts.benchmarks.bench_film CLIP [--megapixels 0.1 0.4 0.9] [--frames 48] [--references FRAME.png ...]

Films of each size are made of the clip's frames, compressed without loss. Every figure is of a command in this process
for all frames less one for the first quarter of them, so without start-up and without what is done once a film. Stages
follow each other, so both their seconds of the clock and their CPU seconds can be told: decoding (the look for shots
included), estimates of the network and of references, motion, solves (colors brought to the edges of each frame),
carrying colors along, and encoding (chroma made planes, and the file put together). Colors are worked on at the size
that ``--film.side`` says, whatever the film's own; decoding and encoding grow with the film.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import av

from recolor_torch.cli import main as recolor
from recolor_torch.system import let_threads_sleep
from scripts.benchmarks.bench_throughput import Stages

STAGES = ("decode", "estimate", "motion", "solve", "carry", "encode")


class FilmStages(Stages):
    """Seconds of the clock and of all cores by stage, of work that one thread of Python leads."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: Counter[str] = Counter()
        self.since = 0.0, 0.0

    def _turn(self, before: str | None, after: str | None) -> None:
        now = time.process_time(), time.perf_counter()
        if before is not None:
            self.seconds[before] += now[0] - self.since[0]
            self.clock[before] += now[1] - self.since[1]
        self._thread.stage, self.since = after, now


def watched() -> FilmStages:
    """The stages of films from now on."""
    from recolor_torch.film import joining, reader
    from recolor_torch.film.sinks import FilmSink
    from recolor_torch.film.sources import Sources

    stages = FilmStages()
    stages.watch_items(reader, "read_frames", "decode")
    stages.watch(Sources, "say", "estimate")
    stages.watch(joining, "relate", "motion")
    stages.watch(joining, "spread_chroma", "solve")
    stages.watch(joining.ShotColors, "forward", "carry")
    stages.watch_items(joining.ShotColors, "backward", "carry")
    stages.watch(FilmSink, "write", "encode")
    stages.watch(FilmSink, "finish", "encode")
    return stages


def make_film(clip: Path, film: Path, frames: int, megapixels: float) -> tuple[int, int]:
    """So many gray frames of a clip at a size, (width, height), which it returns; the clip begins again at its end."""
    with av.open(str(clip)) as source:
        found = [frame for frame, _ in zip(source.decode(video=0), range(frames))]
    scale = (megapixels * 1e6 / (found[0].width * found[0].height)) ** 0.5
    width, height = (2 * max(8, round(n * scale / 2)) for n in (found[0].width, found[0].height))
    with av.open(str(film), "w") as out:
        stream = out.add_stream("ffv1", rate=25, width=width, height=height, pix_fmt="yuv420p")
        for i in range(frames):
            gray = found[i % len(found)].reformat(width, height, "gray").reformat(format="yuv420p")
            # Anew, without the time that the clip showed it at.
            out.mux(stream.encode(av.VideoFrame.from_ndarray(gray.to_ndarray(), format="yuv420p")))
        out.mux(stream.encode())
    return width, height


def measure(film: Path, out: Path, stages: FilmStages, more: list[str]) -> tuple[Counter[str], Counter[str]]:
    """CPU seconds and seconds of the clock of a command, by stage and ``all``.

    Raises:
        SystemExit: the command failed.
    """
    stages.seconds.clear()
    stages.clock.clear()
    start = time.process_time(), time.perf_counter()
    if recolor(["colorize", "-q", str(film), "-o", str(out), "--overwrite", "--device", "cpu", *more]):
        raise SystemExit(f"{film} could not be colored.")
    cpu, clock = Counter(stages.seconds), Counter(stages.clock)
    cpu["all"], clock["all"] = time.process_time() - start[0], time.perf_counter() - start[1]
    return cpu, clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.1, 0.4, 0.9])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--references", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    let_threads_sleep()  # before torch comes, as the command does
    stages, names = watched(), (*STAGES, "rest", "all")
    print(f"| film | of a frame | {' | '.join(names)} | frames/s |\n| --- | --- |{' --: |' * (len(names) + 1)}")
    more = [word for path in args.references for word in ("-r", str(path))]
    with tempfile.TemporaryDirectory() as name:
        top, few = Path(name), max(2, args.frames // 4)
        for megapixels in args.megapixels:
            found = []
            for frames in (few, few, args.frames):  # the first is not counted: a network is faster the second time
                width, height = make_film(args.clip, top / f"{frames}.mkv", frames, megapixels)
                found.append(measure(top / f"{frames}.mkv", top / "out.mkv", stages, more))
            count = args.frames - few
            for k, what in enumerate(("CPU, ms", "clock, ms")):
                part = {n: 1000 * (found[2][k][n] - found[1][k][n]) / count for n in (*STAGES, "all")}
                part["rest"] = part["all"] - sum(part[n] for n in STAGES)
                rate = f"{1000 / part['all']:.1f}" if k else ""
                figures = " | ".join(f"{part[n]:.1f}" for n in names)
                print(f"| {width} x {height} | {what} | {figures} | {rate} |", flush=True)
            mean = 0.001 / (width * height / 1e6)
            figures = " | ".join(f"{part[n] * mean:.2f}" for n in names)
            print(f"| {width} x {height} | s a megapixel | {figures} | |", flush=True)


if __name__ == "__main__":
    main()
