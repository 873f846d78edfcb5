"""Gram transfer on the device: to the best loss of the base recipe, whose structure is that of public codes."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from bench import Bench
from measure import profile, seconds
from record import Row
from torch import Tensor

from recolor_torch.features import VggWeights, find_vgg19
from recolor_torch.features.layers import CHANNELS, feature_index
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods import build_method
from recolor_torch.methods.gram import GramTransfer

SCRIPTS = Path(__file__).parents[2]


def weights_of(bench: Bench) -> VggWeights:
    """The first five convolutions of VGG-19: those that were given, or random ones of its widths."""
    if bench.weights is not None:
        return find_vgg19(bench.weights, depth=5)
    generator, state, inputs = torch.Generator().manual_seed(0), {}, 3
    for k in range(1, 6):
        name, outputs = f"features.{feature_index(k)}", CHANNELS[k - 1]
        scale = (2 / (9 * inputs)) ** 0.5
        state[f"{name}.weight"] = scale * torch.randn(outputs, inputs, 3, 3, generator=generator)
        state[f"{name}.bias"] = torch.zeros(outputs)
        inputs = outputs
    return VggWeights(state, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "random")


def peer_module() -> ModuleType:
    """The benchmarks' gram_peer.py, wherever it is among the scripts."""
    (file,) = sorted(SCRIPTS.rglob("gram_peer.py"))[:1]
    spec = importlib.util.spec_from_file_location("gram_peer", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gram_peer"] = module
    spec.loader.exec_module(module)
    return module


def method(bench: Bench, **settings: object) -> GramTransfer:
    """Free RGB as the recipe has it, without an early end."""
    made = build_method("gram", **{"optimize": "rgb", "tolerance": 0.0, "precision": "float32", **settings})
    assert isinstance(made, GramTransfer)
    made._found = weights_of(bench)  # noqa: SLF001
    return made


def gram(bench: Bench) -> Iterator[Row]:
    """An evaluation of both structures; the recipe's best loss, and our time to it, from its start and from ours."""
    for side in bench.pick((512, 1024), (32,)):
        evaluations = 4 if bench.tiny else 200 if side <= 512 else 100
        (target,) = bench.to(bench.pictures.gray(bench.pictures.rgb(side, side)))
        (style,) = bench.to(bench.pictures.rgb(side, side, seed=5))
        peer = peer_module().Peer(weights_of(bench), target, style)
        picture = ((target + style) / 2).requires_grad_()
        problem = method(bench).solver.problem(target, (Reference(style),))
        theirs = seconds(bench, partial(peer.closure, picture), 5)
        ours = seconds(bench, partial(problem.objective.evaluate, picture.detach()), 5)
        low = seconds(bench, partial(problem.objective.evaluate, picture.detach(), True), 5)
        row: Row = {"name": f"evaluation, {side}", "peer (TF32) ms": 1e3 * theirs}
        row |= {"float32 ms": 1e3 * ours, "bfloat16 ms": 1e3 * low, "times": theirs / min(ours, low)}
        yield row
        best, took = recipe(bench, peer, picture, evaluations)
        yield {"name": f"recipe, {side}", "best loss": best, "peer s": took, "evaluations": evaluations}
        for label, settings in (
            ("one size, the recipe's start", {"levels": 1, "start": "average"}),
            ("three sizes", {"start": "average"}),
            ("three sizes, bfloat16", {"start": "average", "precision": "bfloat16"}),
        ):
            reached = time_to(bench, method(bench, steps=bench.pick(200, 4), **settings), target, style, best)
            yield {"name": f"ours, {side}, {label}", **reached, "peer over ours": took / reached["seconds"]}
        if side == bench.pick(512, 0):
            made = method(bench, steps=8, levels=1, start="average")
            run = partial(time_to, bench, made, target, style, 0.0)
            yield {"name": f"where the time goes, {side}", **profile(bench, run)}


def recipe(bench: Bench, peer: object, picture: Tensor, evaluations: int) -> tuple[float, float]:
    """Best loss of torch's L-BFGS with clamping in its closure, and its time."""
    losses: list[Tensor] = []
    optimizer = torch.optim.LBFGS([picture])

    def closure() -> Tensor:
        losses.append(peer.closure(picture))  # type: ignore[attr-defined]
        return losses[-1]

    bench.wait()
    start = time.perf_counter()
    while len(losses) < evaluations:
        optimizer.step(closure)
    bench.wait()
    took = (time.perf_counter() - start) * evaluations / len(losses)
    found = torch.stack([x.detach().reshape(()) for x in losses[:evaluations]])
    return float(found[found.isfinite()].amin()), took


class Reached(Exception):
    """The loss is there."""


def time_to(bench: Bench, made: GramTransfer, target: Tensor, style: Tensor, loss: float) -> Row:
    """Seconds until the loss at the whole size is at most ``loss``, set-up and smaller sizes included."""
    whole, steps, last = (target.shape[-2], target.shape[-1]), 0, float("inf")

    def on_step(size: tuple[int, int], _: int, value: float) -> None:
        nonlocal steps, last
        steps, last = steps + 1, value
        if value <= loss and size == whole:
            raise Reached

    bench.wait()
    start = time.perf_counter()
    with torch.no_grad(), suppress(Reached):
        made.solver.transfer(target, Guide(references=(Reference(style),)), on_step)
    bench.wait()
    return {"seconds": time.perf_counter() - start, "loss": last, "steps": steps, "reached": last <= loss}


def tiles(bench: Bench) -> Iterator[Row]:
    """An evaluation of a large picture by tiles."""
    side = bench.pick(2048, 160)
    (target,) = bench.to(bench.pictures.gray(bench.pictures.rgb(side, side)))
    (style,) = bench.to(bench.pictures.rgb(side, side, seed=5))
    for tile in bench.pick((256, 1024), (64,)):
        problem = method(bench, tile=tile).solver.problem(target, (Reference(style),))
        took = seconds(bench, lambda problem=problem: problem.objective.evaluate(target), 3)
        yield {"name": f"{side}, tiles of {tile}, {type(problem.objective).__name__}", "ms": 1e3 * took}
