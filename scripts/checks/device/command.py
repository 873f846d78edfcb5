"""The command on the device: recolor colorize, gallery and fit as processes of their own."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from bench import Bench, Check
from PIL import Image
from record import Row
from torch import Tensor

from recolor_torch.cli import main

ROOT = Path(__file__).parents[3]
# A picture in 8 bits that was rounded at half a level differs by one.
ONE_LEVEL = 1.0
METHODS: dict[str, list[str]] = {
    "levin": [],
    "network": [],
    "correspondence": [],
    "histogram": [],
    "gram": ["--gram.precision", "float32", "--gram.steps", "10", "--gram.levels", "1"],
}


def recolor(bench: Bench, arguments: list[str], threads: int = 8, apart: bool = False) -> tuple[float, str, str]:
    """Seconds, standard output and the closing line of a run of the command.

    Args:
        threads: of the process.
        apart: a process of its own in a rehearsal too, which else waits for none to start.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    run = here if bench.tiny and not apart else partial(in_a_process, bench, bench.pick(threads, 1))
    code, out, err = run(arguments)
    seconds = time.perf_counter() - start
    said = (out.strip() or err.strip()).splitlines()
    if code:
        why = " / ".join([*err.strip().splitlines()[-3:], *said[-1:]])
        raise RuntimeError(f"recolor {arguments[0]} ended with {code}: {why[-400:]}")
    return seconds, out, said[-1] if said else ""


def in_a_process(bench: Bench, threads: int, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    done = subprocess.run(
        [sys.executable, "-m", "recolor_torch", *arguments],
        capture_output=True,
        text=True,
        timeout=bench.limit,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def here(arguments: list[str]) -> tuple[int, str, str]:
    """The same within this process."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main(arguments)
    out, err = (cast(io.BytesIO, stream.buffer).getvalue().decode() for stream in streams)
    return code, out, err


def save(image: Tensor, path: Path) -> None:
    """An (1, C, H, W) picture as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (255 * image[0].clamp(0, 1)).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path, quality=92)


def folders(bench: Bench) -> tuple[Path, int]:
    """A folder with gray/, few/ (of the same), hints/ and colors/, and how many pictures there are; made once."""
    root, count = bench.folder / "pictures", bench.pick(64, 3)
    if root.is_dir():
        return root, count
    height, width = bench.pick((240, 320), (64, 80))
    for i in range(count):
        rgb = bench.pictures.rgb(height, width, seed=100 + i)
        gray, mask = bench.pictures.gray(rgb)[:, :1], bench.pictures.hint_mask(height, width, seed=i)
        save(gray, root / "gray" / f"p{i:03}.png")
        save(torch.cat((rgb, mask), 1), root / "hints" / f"p{i:03}.png")
        save(rgb, root / "colors" / f"p{i:03}.jpg")
        if i < bench.pick(3, 1):
            save(gray, root / "few" / f"p{i:03}.png")
    return root, count


def colorize_arguments(bench: Bench, method: str, targets: Path, output: Path, device: str) -> list[str]:
    """The command line of a method."""
    root, _ = folders(bench)
    out = ["colorize", str(targets), "-o", f"{output}/", "-m", method, "--device", device, *METHODS[method]]
    if method == "levin":
        return [*out, "--hints", str(root / "hints")]
    return out if method == "network" else [*out, "-r", str(root / "colors" / "p000.jpg")]


def colorize(bench: Bench) -> Iterator[Row]:
    """Each method over a folder, its files and its record against those of a CPU for a few."""
    root, count = folders(bench)
    kind = bench.device.type

    def on_cpu(method: str) -> float:
        output = bench.folder / f"cpu_{method}"
        return recolor(bench, colorize_arguments(bench, method, root / "few", output, "cpu"), threads=3)[0]

    failed: dict[str, str] = {}
    if kind != "cpu":  # all at once, and before the others, whose times they would change
        with ThreadPoolExecutor(len(METHODS)) as pool:
            runs = {method: pool.submit(on_cpu, method) for method in bench.chosen(METHODS)}
        failed = {method: str(run.exception())[-300:] for method, run in runs.items() if run.exception()}
    for method in bench.chosen(bench.pick(list(METHODS), ["levin"])):
        output, other = bench.folder / f"{kind}_{method}", bench.folder / f"cpu_{method}"
        try:
            seconds, _, said = recolor(bench, colorize_arguments(bench, method, root / "gray", output, kind))
            if method in failed:
                raise RuntimeError(f"on the CPU: {failed[method]}")
            yield {"name": method, **agreement(root, output, other, count), "seconds": seconds, "said": said}
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as error:
            yield {"name": method, "ok": False, "error": str(error)[-400:]}


def agreement(root: Path, output: Path, other: Path, count: int) -> Row:
    """Whether all files are there, and their largest difference from those of the CPU, in levels."""
    files = sorted(output.rglob("*.png"))
    worst, mean = 0.0, 0.0
    for file in sorted((root / "few").iterdir()):
        a, b = (np.asarray(Image.open(folder / file.name), np.float64) for folder in (output, other))
        worst, mean = max(worst, float(np.abs(a - b).max())), max(mean, float(np.abs(a - b).mean()))
    records = [p for p in output.rglob("*") if p.suffix in (".jsonl", ".json")]
    entries = [json.loads(line) for p in records for line in p.read_text().splitlines() if line.startswith("{")]
    done = sum(entry.get("status") == "done" for entry in entries)
    complete = len(files) == count
    return {
        "files": len(files),
        "recorded": done,
        "levels": worst,
        "mean": mean,
        "ok": complete and worst <= ONE_LEVEL,
    }


def precisions(bench: Bench) -> Iterator[Row]:
    """Mixed precision from the command line, against full precision on the same device."""
    root, _ = folders(bench)
    kind = bench.device.type
    for method in bench.pick(("network", "levin"), ("levin",)):
        full = bench.folder / f"{kind}_{method}"
        if not full.is_dir():
            recolor(bench, colorize_arguments(bench, method, root / "few", full, kind))
        output = bench.folder / f"bf16_{method}"
        arguments = colorize_arguments(bench, method, root / "few", output, kind)
        seconds, _, said = recolor(bench, [*arguments, "--precision", "bf16-mixed"])
        found = agreement(root, output, full, len(list((root / "few").iterdir())))
        yield {"name": f"{method}, bf16-mixed", **found, "seconds": seconds, "said": said}


def gallery(bench: Bench) -> Iterator[Row]:
    """A gallery made on the device, and the best matches of its own pictures in gray."""
    root, count = folders(bench)
    where = bench.folder / "photos.gallery"
    made = ["gallery", "build", str(where), str(root / "colors"), "--device", bench.device.type, "--overwrite"]
    seconds, _, said = recolor(bench, made)
    yield {"name": "build", "pictures": count, "seconds": seconds, "said": said}
    seconds, out, _ = recolor(bench, ["gallery", "query", str(where), str(root / "gray"), "-k", "1", "--json"])
    answers = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    right = sum(Path(a["matches"][0]["path"]).stem == Path(a["query"]).stem for a in answers)
    yield {"name": "query", "pictures": len(answers), "seconds": seconds, "found": right, "ok": right == count}


def fit(bench: Bench) -> Iterator[Row]:
    """recolor fit of the package's network, from random weights."""
    root, _ = folders(bench)
    steps, batch = bench.pick(200, 2), bench.pick(16, 2)
    for precision in bench.pick(("32-true", "bf16-mixed"), ("32-true",)):
        logs = bench.folder / f"fit_{precision}"
        arguments = ["fit", "-c", str(ROOT / "configs" / "train" / "unet.yaml")]
        settings = {
            "data.sources": json.dumps([str(root / "colors")]),
            "data.batch_size": str(batch),
            "data.epoch": str(bench.pick(800, 2)),
            "data.size": str(bench.pick(128, 32)),
            "data.side": str(bench.pick(160, 48)),
            "data.held_out": str(bench.pick(0.05, 0.3)),
            "data.workers": str(bench.pick(6, 0)),
            "model.network.pretrained": "false",
            "model.frozen_steps": "0",
            "trainer.max_steps": str(steps),
            "trainer.accelerator": "gpu" if bench.device.type == "cuda" else "cpu",
            "trainer.precision": precision,
            "trainer.enable_progress_bar": "false",
            "trainer.log_every_n_steps": "1",
            "trainer.logger.save_dir": str(logs),
        }
        for name, value in settings.items():
            arguments += [f"--{name}", value]
        arguments += ["--trainer.callbacks", "[]"]
        seconds, _, _ = recolor(bench, arguments)
        yield {"name": precision, "steps": steps, "seconds": seconds, **losses(logs)}


def losses(logs: Path) -> Row:
    """First and last loss, and the pictures a second of the last epoch, from the logger's file."""
    with next(iter(sorted(logs.rglob("metrics.csv")))).open() as file:
        rows = list(csv.DictReader(file))
    found = [float(r["train/loss"]) for r in rows if r.get("train/loss")]
    speeds = [float(r["train/pictures_per_second"]) for r in rows if r.get("train/pictures_per_second")]
    last = found[-10:]
    row: Row = {"first loss": found[0], "last losses": sum(last) / len(last)}
    return {**row, "pictures a second": speeds[-1] if speeds else float("nan")}


CHECKS: dict[str, Check] = {"colorize": colorize, "fit": fit, "gallery": gallery, "precisions": precisions}
