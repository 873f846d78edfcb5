"""A long list: seconds and memory to plan so many targets, and to skip them once they are done.

    python -m scripts.benchmarks.bench_planning [--count 50000] [--side 32]

Small JPEGs are made in a temporary folder. Planning is what ``recolor colorize`` does before the first picture is
colored: names, headers, what is done already. For the second run a record is written as if all were done, with results
beside it. Each figure is of a process of its own, less start-up, which is that of a list of one.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


def make_targets(folder: Path, count: int, side: int) -> None:
    """So many files, of 100 JPEGs that are unlike."""
    rng, files = np.random.default_rng(0), []
    for _ in range(100):
        buffer = BytesIO()
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(buffer, "JPEG", quality=60)
        files.append(buffer.getvalue())
    for i in range(count):
        inside = folder / f"{i // 1000:03d}"
        if i % 1000 == 0:
            inside.mkdir(parents=True)
        (inside / f"{i:06d}.jpg").write_bytes(files[i % 100])


def plan(folder: Path, reference: Path, out: Path, done: bool) -> None:
    """Plan once, in this process; with ``done`` write the record and the results that a run would have left."""
    from recolor_torch.files import file_hash
    from recolor_torch.methods import build_method
    from recolor_torch.run import record
    from recolor_torch.run.coloring import describe_method
    from recolor_torch.run.description import Guidance, Output, Run, Targets
    from recolor_torch.run.finished import planned_line
    from recolor_torch.run.planning import plan_run

    run = Run(Targets((str(folder),)), Output(out), Guidance((reference,)))
    settings = describe_method(build_method("histogram"), run.coloring)
    start, cpu = time.perf_counter(), time.process_time()
    found = plan_run(run, settings)
    figures = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "jobs": len(found.jobs),
        "skipped": len(found.skipped),
    }
    print(json.dumps(figures))
    if not done:
        return
    for job in found.jobs:
        job.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(job.target, job.output)
    with (out / record.NAME).open("w") as file:
        for job in found.jobs:
            stat, digest = job.output.stat(), file_hash(job.output)
            line = {
                "status": "done",
                "target": job.target.as_posix(),
                "output": job.key,
                **planned_line(job, settings),
                "input_sha256": digest,
                "settings_sha256": job.settings,
                "bytes": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
                "output_sha256": digest,
            }
            file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--plan", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--done", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plan:
        folder, reference, out = map(Path, args.plan)
        plan(folder, reference, out, args.done)
        return
    print("| targets | what | clock, s | CPU, s | memory, MB |\n| --: | --- | --: | --: | --: |")
    for count in (1, args.count):
        with tempfile.TemporaryDirectory() as name:
            top = Path(name)
            make_targets(top / "in", count, args.side)
            Image.new("RGB", (32, 32), (120, 90, 60)).save(top / "reference.png")
            for what in ("planned", "skipped"):
                command = [sys.executable, "-m", "scripts.benchmarks.bench_planning", "--plan"]
                command += [str(top / "in"), str(top / "reference.png"), str(top / "out")]
                command += ["--done"] if what == "planned" else []
                found = subprocess.run(command, capture_output=True, text=True, check=True)
                row = json.loads(found.stdout.splitlines()[-1])
                if (row["jobs"], row["skipped"]) != ((count, 0) if what == "planned" else (0, count)):
                    raise SystemExit(f"{what}: {row}")
                figures = f"{row['seconds']:.1f} | {row['cpu']:.1f} | {row['memory']:.0f}"
                print(f"| {count} | {what} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
