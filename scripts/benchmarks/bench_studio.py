"""How soon colors follow a stroke in the studio: recorded strokes through the real server and its socket.

    python -m scripts.benchmarks.bench_studio PICTURE... [--sides 384 768 1024] [--reference PICTURE] [--keep FILE]

Each picture is opened by a server of its own process at each working side, and ten strokes are painted with a moving
brush. Printed for each side, over all pictures and strokes but each first one: the milliseconds from the end of the
stroke until the first new colors and until the final ones have arrived (and, on Linux, the processor time that the
server took for them: on a busy machine this is the number to read), the updates a second while the brush moves, and
the largest difference of the final colors from a fresh solve through the pipeline, in 8-bit levels. With ``--keep``
what was measured is kept in a file, and a later call measures what is missing alone: one picture a call, say, where the
machine is not free for long.
"""

import argparse
import asyncio
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from websockets.asyncio.client import connect

from recolor_torch.guide import Guide, Reference
from recolor_torch.hints.read import hints_from_shapes
from recolor_torch.hints.shapes import HintShapes, Stroke
from recolor_torch.methods import build_method
from recolor_torch.pictures import probe, read_picture
from recolor_torch.pipeline import recolor

# Strokes as shares of width and height: start, end, bend; with a color each.
STROKES = [
    ((0.15, 0.20), (0.32, 0.24), 0.03, "#4a7bc8"),
    ((0.60, 0.70), (0.85, 0.66), -0.04, "#4f8a3c"),
    ((0.40, 0.50), (0.52, 0.46), 0.02, "#b8463a"),
    ((0.10, 0.85), (0.35, 0.90), 0.02, "#8a6a45"),
    ((0.75, 0.25), (0.90, 0.35), -0.05, "#d8b25a"),
    ((0.25, 0.60), (0.30, 0.72), 0.02, "#7c5aa8"),
    ((0.52, 0.15), (0.66, 0.12), 0.03, "#89a9c9"),
    ((0.45, 0.80), (0.58, 0.88), -0.02, "#3c6e63"),
    ((0.82, 0.50), (0.94, 0.48), 0.01, "#c98a7a"),
    ((0.33, 0.35), (0.42, 0.30), 0.02, "#808080"),
]
# Pointer events of a stroke, and their distance in time.
EVENTS, APART = 24, 0.03


def line(start: tuple[float, float], end: tuple[float, float], bend: float, size: tuple[int, int]) -> list[list[float]]:
    """The points of a bent stroke in pixels."""
    t = np.linspace(0, 1, EVENTS)
    x = start[0] + (end[0] - start[0]) * t
    y = start[1] + (end[1] - start[1]) * t + bend * np.sin(np.pi * t)
    return np.stack((x * size[0], y * size[1]), 1).round(2).tolist()


def header_of(frame: bytes) -> tuple[dict, np.ndarray]:
    """Header and chroma of a frame."""
    (length,) = struct.unpack_from("<I", frame)
    header = json.loads(frame[4 : 4 + length])
    pixels = np.frombuffer(frame, "<f2", offset=4 + length).reshape(header["height"], header["width"], 2)
    return header, pixels.astype(np.float32).transpose(2, 0, 1)


def processor_time(pid: int) -> float:
    """Seconds that a process has computed, on Linux; elsewhere 0."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def paint(url: str, pid: int, size: tuple[int, int], recipe: dict | None) -> dict[str, list]:  # noqa: C901
    """Paint the strokes; times in seconds, and the last colors."""
    first, final, rates, first_cpu, final_cpu = [], [], [], [], []
    origin = "/".join(url.split("/")[:3])
    async with connect("ws" + url.removeprefix("http") + "socket/0", origin=origin, max_size=None) as ws:
        seq = 0

        async def until_final() -> tuple[float, float, float, float, np.ndarray]:
            early = early_cpu = 0.0
            while True:
                message = await ws.recv()
                if isinstance(message, bytes):
                    header, chroma = header_of(message)
                    if header["seq"] == seq:
                        early = early or time.perf_counter()
                        early_cpu = early_cpu or processor_time(pid)
                        if header["final"]:
                            return early, time.perf_counter(), early_cpu, processor_time(pid), chroma
                elif json.loads(message)["type"] == "error":
                    raise SystemExit(message)

        await until_final()
        if recipe:
            seq = 1
            await ws.send(json.dumps({"type": "recipe", "seq": seq, "recipe": recipe}))
            await until_final()
        strokes: list[dict] = []
        for start, end, bend, color in STROKES:
            points = line(start, end, bend, size)
            frames, begun = 0, time.perf_counter()
            for n in range(1, EVENTS + 1):
                seq += 1
                stroke = {"points": points[:n], "radius": round(max(size) / 110, 2), "color": color}
                marks = {"size": list(size), "strokes": [*strokes, stroke]}
                moving = n < EVENTS
                await ws.send(json.dumps({"type": "paint", "seq": seq, "moving": moving, "marks": marks}))
                if not moving:
                    break
                wait = begun + n * APART - time.perf_counter()
                end_of_wait = time.perf_counter() + wait
                while (left := end_of_wait - time.perf_counter()) > 0:
                    try:
                        frames += isinstance(await asyncio.wait_for(ws.recv(), left), bytes)
                    except TimeoutError:
                        break
            ended, ended_cpu = time.perf_counter(), processor_time(pid)
            rates.append(frames / (ended - begun))
            strokes.append(stroke)
            early, late, early_cpu, late_cpu, chroma = await until_final()
            first_cpu.append(early_cpu - ended_cpu)
            final_cpu.append(late_cpu - ended_cpu)
            first.append(early - ended)
            final.append(late - ended)
    shapes = HintShapes(
        size, strokes=tuple(Stroke(tuple(map(tuple, s["points"])), s["radius"], s["color"]) for s in strokes)
    )
    found = {"first": first, "final": final, "rates": rates, "first_cpu": first_cpu, "final_cpu": final_cpu}
    return {**{name: values[1:] for name, values in found.items()}, "chroma": [chroma], "shapes": [shapes]}


def fresh(path: str, shapes: HintShapes, side: int, method: str, references: list[str]) -> np.ndarray:
    """Chroma of the pipeline at the working size."""
    image = read_picture(path).image
    hints = hints_from_shapes(shapes)
    guide = Guide(tuple(Reference(read_picture(r).image) for r in references), hints=hints.image, hint_mask=hints.mask)
    found: list[torch.Tensor] = []
    built = build_method(method)
    built.register_forward_hook(lambda module, given, out: found.append(out[:, 1:]))
    recolor(image, built, guide, max_side=side)
    return found[-1][0].numpy()


def run(path: str, side: int, references: list[str]) -> dict[str, list]:
    """One picture at one side."""
    info = probe(path)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "recolor_torch", "studio", path, "-o", f"{folder}/out.png", "--no-browser"]
        command += ["--max-side", str(side), *[part for r in references for part in ("-r", r)]]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"}
        )
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit("The studio did not start.")
            recipe = {"kind": "reference", "references": ["r0"]} if references else None
            result = asyncio.run(paint(found.group(), process.pid, (info.width, info.height), recipe))
        finally:
            process.terminate()
            process.wait()
    chroma, shapes = result.pop("chroma")[0], result.pop("shapes")[0]
    wanted = fresh(path, shapes, side, "semi_interactive" if references else "network", references)
    return {**result, "gap": [255 * float(np.abs(chroma - wanted).max())]}


def kept(file: Path | None, path: str, side: int, references: list[str]) -> dict[str, list]:
    """What was measured before, or measured and kept now."""
    known = json.loads(file.read_text()) if file and file.exists() else {}
    key = " ".join([path, str(side), *references])
    if key not in known:
        known[key] = run(path, side, references)
        if file:
            file.write_text(json.dumps(known))
    return known[key]


def main() -> None:
    """Read the arguments and print a row a side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument("--sides", type=int, nargs="+", default=[384, 768, 1024])
    parser.add_argument("--reference", action="append", default=[], metavar="PICTURE")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep what was measured in this JSON file")
    args = parser.parse_args()
    prior = "reference" if args.reference else "network"
    print(f"{len(args.pictures)} pictures, {len(STROKES)} strokes each, over a {prior} prior, {os.cpu_count()} cores")
    print("| side | first p50, p95 | processor | final p50, p95 | processor | updates/s | from a fresh solve |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for side in args.sides:
        rows = [kept(args.keep, path, side, args.reference) for path in args.pictures]
        cells = []
        for name in ("first", "first_cpu", "final", "final_cpu"):
            low, high = np.percentile(1e3 * np.concatenate([r[name] for r in rows]), (50, 95))
            cells.append(f"{low:.0f}, {high:.0f} ms")
        rate = np.median(np.concatenate([r["rates"] for r in rows]))
        gap = max(r["gap"][0] for r in rows)
        print(f"| {side} | {' | '.join(cells)} | {rate:.1f} | {gap:.2f} levels |", flush=True)


if __name__ == "__main__":
    main()
