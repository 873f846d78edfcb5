r"""Gram transfer against the structure and the recipe of public codes, in one run, one thread.

    python -m scripts.benchmarks.bench_gram PAIRS WHAT... --weights FILE [--cache FOLDER] [--pairs NAME ...] \
        [--size 256]

PAIRS has pictures NAME_target.jpg and NAME_ref.jpg. WHAT is, in CPU seconds of this process:

    agreement    loss and gradient of both structures at one picture, in float64 and float32
    evaluations  time of a closure evaluation, alternating: peer structure, without gradients of the weights, ours
    memory       peak memory of three closures and of an optimiser, each in a process of its own
    quality      time to the lowest loss that the base recipe ever holds, for each pair
    tiles        Gram matrices by tiles, and the memory at 2048 x 1536
    saved        loss reported, of the picture in memory, and of the picture after 8-bit rounding

The base recipe is ``torch.optim.LBFGS`` with its defaults and clamping in the closure, 500 evaluations from the average
of target and style, in R, G and B at one size. Its losses are computed by our evaluator (``agreement`` shows that they
are the same numbers) and its time is evaluations times the measured time of its own structure. Deeper convolutions
than the weights have are random in the peer: they cost their time and touch no loss. --cache keeps the losses of the
base recipe between runs.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.color import rgb_to_luminance
from recolor_torch.features import VggWeights, find_vgg19, gram_matrix
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import GramTransfer
from recolor_torch.methods.gram import Problem
from recolor_torch.methods.gram.objective import has_fast_bfloat16
from recolor_torch.methods.gram.tiles import tiled_grams
from recolor_torch.pictures import read_picture
from scripts.benchmarks.gram_peer import Peer

PAIRS = ["video/kite_surf", "video/camel", "multi_view/hill", "same_kind/photo_57", "gray_target/exemplar_05"]
EVALUATIONS = 500


def load(folder: Path, name: str, size: int) -> tuple[Tensor, Tensor]:
    """Gray target and style, both fitted into a square, as the report does."""
    pictures = [read_picture(folder / f"{name}_{part}.jpg").image.float() for part in ("target", "ref")]
    target, style = (F.interpolate(x, (size, size), mode="area").clamp(0, 1) for x in pictures)
    return rgb_to_luminance(target).expand(-1, 3, -1, -1).contiguous(), style


def method(arguments: argparse.Namespace, **settings: object) -> GramTransfer:
    """Free RGB, no early end."""
    settings = {"optimize": "rgb", "tolerance": 0.0, "precision": "float32", **settings}
    return GramTransfer(weights=arguments.weights, **settings)  # type: ignore[arg-type]


def problem_of(arguments: argparse.Namespace, target: Tensor, style: Tensor, **settings: object) -> Problem:
    return method(arguments, **settings).solver.problem(target, (Reference(style),))


def base_recipe(arguments: argparse.Namespace, name: str, size: int) -> list[float]:
    """Losses of the base recipe, evaluation by evaluation; from the cache where it has them."""
    cached = arguments.cache and arguments.cache / f"{name.replace('/', '_')}_{size}.json"
    losses: list[float] = json.loads(cached.read_text()) if cached and cached.is_file() else []
    if losses:
        return losses
    target, style = load(arguments.folder, name, size)
    objective = problem_of(arguments, target, style).objective
    picture = ((target + style) / 2).requires_grad_()
    optimizer = torch.optim.LBFGS([picture])

    def closure() -> float:
        picture.data.clamp_(0, 1)
        evaluation = objective.evaluate(picture.detach())
        picture.grad = evaluation.gradient.contiguous()
        losses.append(float(evaluation.total))
        return losses[-1]

    while len(losses) < EVALUATIONS:
        optimizer.step(closure)
    if cached:
        arguments.cache.mkdir(parents=True, exist_ok=True)
        cached.write_text(json.dumps(losses[:EVALUATIONS]))
    return losses[:EVALUATIONS]


def agreement(arguments: argparse.Namespace) -> None:
    """Both structures at one picture: losses and gradients."""
    target, style = load(arguments.folder, arguments.pairs[0], min(arguments.size, 128))
    for dtype in (torch.float64, torch.float32):
        content, wanted = target.to(dtype), style.to(dtype)
        picture = ((content + wanted) / 2).requires_grad_()
        loss = float(Peer(vgg(arguments), content, wanted).closure(picture))
        assert picture.grad is not None
        ours = problem_of(arguments, content, wanted).objective.evaluate(picture.detach())
        gap = float((ours.gradient - picture.grad).norm() / picture.grad.norm())
        print(
            f"{str(dtype)[6:]}: loss {loss:.9g} and {float(ours.total):.9g}, relative difference of gradients {gap:.1e}"
        )


def vgg(arguments: argparse.Namespace) -> VggWeights:
    return find_vgg19(arguments.weights, depth=5)


def closures(arguments: argparse.Namespace, size: int, kind: str) -> Callable[[Tensor], object]:
    """An evaluation of the loss and its gradient at a picture: of the peer structure or ours."""
    target, style = load(arguments.folder, arguments.pairs[0], size)
    if kind.startswith("peer"):
        return Peer(vgg(arguments), target, style, weight_gradients=kind == "peer").closure
    objective = problem_of(arguments, target, style, precision=kind.removeprefix("ours ")).objective
    return objective.evaluate


def kinds() -> list[str]:
    low = has_fast_bfloat16(torch.device("cpu"))
    return ["peer", "peer without gradients of weights", "ours float32"] + ["ours bfloat16"] * low


def seconds_per_evaluation(arguments: argparse.Namespace, size: int, rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, in turns so that a slow moment of the machine meets all of them."""
    target, style = load(arguments.folder, arguments.pairs[0], size)
    start = (target + style) / 2
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds()}
    runs = {kind: closures(arguments, size, kind) for kind in seconds}
    for i in range(rounds + 1):
        for kind, run in runs.items():
            picture = start.clone().requires_grad_(kind.startswith("peer"))
            before = time.process_time()
            run(picture)
            if i:  # the first round warms up
                seconds[kind].append(time.process_time() - before)
    return {kind: statistics.median(s) for kind, s in seconds.items()}


def evaluations(arguments: argparse.Namespace) -> None:
    """Time of an evaluation, at two sizes."""
    for size in (arguments.size, 2 * arguments.size):
        seconds = seconds_per_evaluation(arguments, size, arguments.rounds if size == arguments.size else 2)
        for kind, s in seconds.items():
            print(f"{size}  {kind:34} {1e3 * s:8.0f} ms  {seconds['peer'] / s:5.2f} x")
    if len(seconds) == 3:
        print("This CPU has no arithmetic for bfloat16: no row for it.")


def memory(arguments: argparse.Namespace) -> None:
    """Peak memory above that of a process that has imported everything and read the pictures.

    As the C library's allocator has it by default, which keeps holes between the blocks that it reuses, and with
    blocks of a megabyte and more returned to the system at once, which is what the program itself needs.
    """
    for allocator, setting in (("default", {}), ("returning", {"MALLOC_MMAP_THRESHOLD_": "1000000"})):
        for work in ("closures", "optimiser"):
            peaks = {}
            for kind in [kind for kind in kinds() if kind != "peer without gradients of weights"]:
                command = [
                    sys.executable,
                    "-m",
                    __spec__.name,
                    str(arguments.folder),
                    "worker",
                    "--weights",
                    arguments.weights,
                ]
                command += [
                    "--size",
                    str(arguments.size),
                    "--pairs",
                    arguments.pairs[0],
                    "--kind",
                    kind,
                    "--work",
                    work,
                ]
                run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **setting})
                peaks[kind] = float(run.stdout.split()[-1])
                share = peaks[kind] / peaks["peer"]
                print(
                    f"{arguments.size}  {allocator:9} {work:9} {kind:13} {peaks[kind]:5.0f} MiB  {share:.2f}",
                    flush=True,
                )


def worker(arguments: argparse.Namespace) -> None:
    """One measurement of memory."""
    target, style = load(arguments.folder, arguments.pairs[0], arguments.size)
    start = (target + style) / 2
    vgg(arguments)
    F.conv2d(start, torch.zeros(3, 3, 3, 3))
    before = peak()
    if arguments.work == "closures":
        run = closures(arguments, arguments.size, arguments.kind)
        for _ in range(3):
            run(start.clone().requires_grad_(arguments.kind == "peer"))
    elif arguments.kind == "peer":
        run, picture, count = closures(arguments, arguments.size, "peer"), start.clone().requires_grad_(), 0
        optimizer = torch.optim.LBFGS([picture])
        while count < 2:  # 40 evaluations
            optimizer.step(lambda: run(picture))  # type: ignore[arg-type, return-value]
            count += 1
    else:
        solver = method(arguments, start="average", precision=arguments.kind.removeprefix("ours ")).solver
        solver.solve(solver.problem(target, (Reference(style),)), steps=40)
    print(peak() - before)


def peak() -> float:
    """Largest resident size of this process in MiB. (What getrusage says begins with that of the process before.)"""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


class Reached(Exception):
    """The loss that was asked for is there."""


def quality(arguments: argparse.Namespace) -> None:
    """Time to the lowest loss of the base recipe, on each pair."""
    seconds = seconds_per_evaluation(arguments, arguments.size, arguments.rounds)
    print(
        f"{arguments.size}: the peer structure is charged {1e3 * seconds['peer']:.0f} ms an evaluation; its losses are"
    )
    print(f"computed by our evaluator ({1e3 * seconds['ours float32']:.0f} ms), which gives the same numbers.")
    for name in arguments.pairs:
        base = base_recipe(arguments, name, arguments.size)
        lowest = min(base)
        at = base.index(lowest) + 1
        theirs = at * seconds["peer"]
        print(
            f"{name}: lowest {lowest:.4g} at evaluation {at}, {theirs:.0f} s; at {len(base)} {base[-1]:.4g}", flush=True
        )
        for start in arguments.starts:
            steps, ours, loss = time_to(arguments, name, lowest, start)
            what = f"reached in {ours:5.1f} s, 1/{theirs / ours:.1f}" if loss <= lowest else f"not reached: {loss:.4g}"
            whole = len(base) * seconds["peer"] / ours
            print(f"  {start:12} {what}, {steps} steps at full size; 1/{whole:.1f} of all its {len(base)}", flush=True)


def time_to(arguments: argparse.Namespace, name: str, lowest: float, start: str) -> tuple[int, float, float]:
    """Steps at the full size, CPU seconds of all sizes, and the loss there."""
    target, style = load(arguments.folder, name, arguments.size)
    before = time.process_time()
    settings = {"start": start, "precision": "auto", "history": arguments.history, "steps": EVALUATIONS}
    solver, last = method(arguments, **settings).solver, [0.0, float("inf")]

    def on_step(size: tuple[int, int], step: int, loss: float) -> None:
        if size == (arguments.size, arguments.size):
            last[:] = step, loss
            if loss <= lowest:
                raise Reached

    with contextlib.suppress(Reached):
        solver.transfer(target, Guide((Reference(style),)), on_step)
    return int(last[0]), time.process_time() - before, last[1]


def saved(arguments: argparse.Namespace) -> None:
    """The loss that was reported, of the picture, and of the picture in 8 bits."""
    for name in arguments.pairs:
        target, style = load(arguments.folder, name, arguments.size)
        solver = method(arguments, precision="auto").solver
        problem = solver.problem(target, (Reference(style),))
        descent = solver.solve(problem, steps=40)
        rises = sum(b > a for a, b in itertools.pairwise(descent.losses))
        rounded = descent.variable.mul(255).round().div(255)
        exact, eight = (float(problem.objective.evaluate(x, False).total) for x in (descent.variable, rounded))
        print(
            f"{name}: reported {descent.losses[-1]:.6g}, of the picture {exact:.6g}, in 8 bits {eight:.6g}, "
            f"rises of the loss {rises}"
        )


def tiles(arguments: argparse.Namespace) -> None:
    """Gram matrices by tiles against those of the whole, and the peak memory of steps at 2048 x 1536."""
    _, style = load(arguments.folder, arguments.pairs[0], 512)
    names = [f"conv_{k}" for k in range(1, 6)]
    network = method(arguments).network(style)
    with torch.no_grad():
        whole = {name: gram_matrix(x) for name, x in network(style).items()}
    parts, _ = tiled_grams(network, style, names, 128)
    gap = max(float((parts[name] - whole[name]).norm() / whole[name].norm()) for name in names)
    print(f"Gram matrices at 512 by tiles of 128: relative difference {gap:.1e}")
    command = [sys.executable, "-m", __spec__.name, str(arguments.folder), "large", "--weights", arguments.weights]
    command += ["--pairs", arguments.pairs[0]]
    print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


def large(arguments: argparse.Namespace) -> None:
    """Six steps at 2048 x 1536 in a process of its own."""
    target, style = (
        F.interpolate(x, (1536, 2048), mode="bicubic").clamp(0, 1)
        for x in load(arguments.folder, arguments.pairs[0], 512)
    )
    solver, before = method(arguments, optimize="chroma", precision="auto").solver, time.process_time()
    descent = solver.solve(solver.problem(target, (Reference(style),)), steps=6)
    seconds = (time.process_time() - before) / descent.evaluations
    print(f"2048 x 1536: {seconds:.0f} s an evaluation, history {solver.pace.history_for(descent.variable)}, ", end="")
    print(f"peak of the whole process {peak():.0f} MiB")


def main() -> None:
    parts = {f.__name__: f for f in (agreement, evaluations, memory, quality, saved, tiles, worker, large)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="PAIRS")
    parser.add_argument("what", nargs="+", choices=list(parts), metavar="WHAT")
    parser.add_argument(
        "--weights", default=os.environ.get("RECOLOR_VGG19"), help="the first five convolutions or more"
    )
    parser.add_argument("--pairs", nargs="+", default=PAIRS)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--history", type=int, default=100)
    parser.add_argument("--starts", nargs="+", default=["average", "rank-colour"])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for what in arguments.what:
        parts[what](arguments)


if __name__ == "__main__":
    main()
