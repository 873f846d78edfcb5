"""Does a picture's result depend on its company? The command, its batches, readers, processes and a kill, byte by byte.

    python scripts/checks/batch_independence.py                       # every method, batches of 1, 3 and 16
    python scripts/checks/batch_independence.py --methods levin poisson --folder PICTURES --hints HINTS --reference R
    python scripts/checks/batch_independence.py --against ../older    # times against another version of the package

Each method colors a folder by ``recolor colorize`` with every size of batch, with another number of readers, by
``recolor predict`` with two processes, and once more in a run that is killed when a third of the pictures is written
and then resumed. Counted are pictures whose files differ from those of batches of 1. The time is the computing time of
the record for the largest batches, over that of batches of 1 and, with --against, over that of the other version with
the same batches: medians of three runs in turns. Without a folder it makes pictures of two sizes, one of them odd, with
points.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

METHODS = ("histogram", "wavelet", "poisson", "levin", "gram", "correspondence", "network", "network+hints")
METHODS += ("semi_interactive",)
HINTED = ("poisson", "levin", "network+hints", "semi_interactive")
REFERENCED = ("histogram", "wavelet", "gram", "correspondence", "semi_interactive")
BATCHES = (1, 3, 16)
SIZES = ((240, 160), (240, 160), (240, 160), (101, 67), (101, 67), (101, 67), (101, 67))
SETTINGS = {"gram": {"steps": 8}}
"""In place of the defaults: a descent of eight steps says as much about company as one of hundreds."""
TIMES = 3


def make_pictures(root: Path) -> None:
    """Gray pictures with smooth parts, edges and grain, points for each, and a reference."""
    rng = np.random.default_rng(0)
    for name in ("pictures", "hints"):
        (root / name).mkdir()
    for i, (width, height) in enumerate(SIZES):
        coarse = Image.fromarray(rng.integers(0, 255, (5, 5), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
        gray = np.asarray(coarse, float) + rng.normal(0, 4, (height, width))
        gray[height // 3 : height // 2, width // 3 : width // 2] = 20 * i
        Image.fromarray(gray.clip(0, 255).astype(np.uint8)).save(root / "pictures" / f"{i}.png")
        points = []
        for x, y in rng.uniform(3, min(width, height) - 3, (1 + 2 * i, 2)):
            color = "#{:02x}{:02x}{:02x}".format(*rng.integers(0, 255, 3))
            points.append({"x": float(x), "y": float(y), "radius": 2.0, "color": color})
        (root / "hints" / f"{i}.json").write_text(json.dumps({"size": [width, height], "points": points}))
    colors = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((120, 90), Image.BICUBIC)
    colors.save(root / "reference.png")


def command(method: str, args: argparse.Namespace, out: Path, batch: int, workers: int) -> list[str]:
    """``recolor colorize`` of the folder."""
    name = method.partition("+")[0]
    made = [sys.executable, "-m", "recolor_torch", "colorize", str(args.folder), "-o", f"{out}/", "-m", name, "-q"]
    made += ["--batch-size", str(batch), "--workers", str(workers), "--device", "cpu"]
    made += [part for key, value in SETTINGS.get(name, {}).items() for part in (f"--{name}.{key}", str(value))]
    made += ["--hints", str(args.hints)] if method in HINTED else []
    return made + (["-r", str(args.reference)] if method in REFERENCED else [])


def in_two_processes(method: str, args: argparse.Namespace, out: Path, batch: int) -> list[str]:
    """The same by ``recolor predict``."""
    name = method.partition("+")[0]
    config = Path(__file__).parents[2] / f"configs/methods/{name}.yaml"
    made = [sys.executable, "-m", "recolor_torch", "predict", "--config", str(config), "--data.output", str(out)]
    made += ["--data.targets", f"[{args.folder}]", "--data.batch_size", str(batch), "--data.workers", "0"]
    made += ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    for key, value in SETTINGS.get(name, {}).items():
        made += [f"--model.method.init_args.{key}", str(value)]
    made += ["--data.hints", str(args.hints)] if method in HINTED else []
    return made + (["--data.references", f"[{args.reference}]"] if method in REFERENCED else [])


def killed_and_resumed(line: list[str], out: Path, wanted: int) -> None:
    """Kill the command when a third of the pictures is there, and run it again."""
    running = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and len(written(out)) < max(1, wanted // 3):
        time.sleep(0.02)
    if running.poll() is None:
        running.send_signal(signal.SIGKILL)
    running.wait()
    subprocess.run(line, check=True)


def written(out: Path) -> dict[str, bytes]:
    """The pictures below a folder."""
    files = sorted(out.rglob("*")) if out.is_dir() else []
    return {str(p.relative_to(out)): p.read_bytes() for p in files if p.suffix in (".png", ".jpg", ".tif")}


def seconds(out: Path) -> float:
    """The computing time of a run."""
    lines = [json.loads(line) for line in (out / "run.jsonl").read_text().splitlines()]
    return sum(line.get("seconds") or 0.0 for line in lines)


def differing(a: dict[str, bytes], b: dict[str, bytes]) -> int:
    """How many pictures are not the same in both."""
    return sum(a.get(name) != b.get(name) for name in a.keys() | b.keys())


def ratio(method: str, args: argparse.Namespace, root: Path, batch: int) -> str:
    """Computing time over that of the other version of the package, in turns."""
    if args.against is None:
        return ""
    found: dict[Path, list[float]] = {args.against: [], Path(__file__).parents[2]: []}
    for _ in range(TIMES):
        for place, times in found.items():
            out = root / f"{method}_time_{len(times)}_{place.name}"
            environment = {**os.environ, "PYTHONPATH": str(place.resolve())}
            done = subprocess.run(command(method, args, out, batch, 0), env=environment, cwd=root, check=False)
            if done.returncode:
                return "refused there"
            times.append(seconds(out))
    theirs, ours = (statistics.median(times) for times in found.values())
    return f"{ours / theirs:.2f}"


def main() -> None:
    """Print a table; the exit code is 1 where a picture differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--folder", type=Path, help="pictures; made where it is not given")
    parser.add_argument("--hints", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--against", type=Path, help="another version of the project, for the time")
    parser.add_argument("--only-time", action="store_true", help="with --against: measure nothing else")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if args.folder is None:
            make_pictures(root)
            args.folder, args.hints, args.reference = root / "pictures", root / "hints", root / "reference.png"
        first, *others = args.batches
        heads = [f"batches of {n}" for n in others] + ["2 readers", "2 processes", "killed, resumed", "time"]
        heads += [] if args.against is None else ["time against the other"]
        if args.only_time:
            print("| method | time against the other |\n| --- | --- |", flush=True)
            for method in args.methods:
                print(f"| {method} | {ratio(method, args, root, args.batches[-1])} |", flush=True)
            return
        print(f"| method | pictures | {' | '.join(heads)} |\n|---|---|{'---|' * len(heads)}", flush=True)
        wrong = 0
        for method in args.methods:
            out = root / f"{method}_{first}"
            subprocess.run(command(method, args, out, first, 0), check=True)
            alone, took, counts = written(out), seconds(out), []
            for n in others:
                out = root / f"{method}_{n}"
                subprocess.run(command(method, args, out, n, 0), check=True)
                counts.append(differing(alone, written(out)))
            slower = f"{seconds(out) / took:.2f}"
            out = root / f"{method}_readers"
            subprocess.run(command(method, args, out, args.batches[-1], 2), check=True)
            counts.append(differing(alone, written(out)))
            out = root / f"{method}_processes"
            subprocess.run(in_two_processes(method, args, out, 2), check=True, stdout=subprocess.DEVNULL)
            counts.append(differing(alone, written(out)))
            out = root / f"{method}_killed"
            killed_and_resumed(command(method, args, out, args.batches[1 % len(args.batches)], 0), out, len(alone))
            counts.append(differing(alone, written(out)))
            wrong += sum(counts)
            row = [method, len(alone), *counts, slower]
            row += [] if args.against is None else [ratio(method, args, root, args.batches[-1])]
            print(f"| {' | '.join(map(str, row))} |", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
