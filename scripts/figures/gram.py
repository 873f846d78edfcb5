"""Figures 30 to 37: Gram transfer (report, section 4). They need VGG-19 weights (RECOLOR_VGG19)."""

import re
import sys

import torch
from matplotlib.figure import Figure
from torch import Tensor

from recolor_torch.errors import WeightsMissing
from recolor_torch.guide import Reference
from recolor_torch.methods import GramTransfer
from recolor_torch.plots.figures import plot_strip
from recolor_torch.plots.loss_plots import plot_loss
from recolor_torch.resize import resize
from scripts.figures.registry import Pictures, figure

FIRST, SECOND, GRAY = "multi_view/hill", "same_kind/photo_57", "gray_target/exemplar_05"
FIVE = [f"conv_{k}" for k in range(1, 6)]


def run(
    pictures: Pictures, name: str, snapshots: tuple[int, ...] = (), scale: int = 1, **settings: object
) -> tuple[dict[str, Tensor], list[float], dict[str, Tensor]]:
    """Target, source and result; the loss after each step; the picture at some steps.

    Raises:
        WeightsMissing: the weights of a layer are missing.
    """
    side = scale * pictures.side
    method = GramTransfer(**{"optimize": "rgb", "levels": 1, "start": "average", **settings})  # type: ignore[arg-type]
    # Figures are made in inference mode, in which nothing has a gradient.
    with torch.inference_mode(False), torch.no_grad():
        originals = pictures.gray(name).clone(), pictures.reference(name).clone()
        target, source = (resize(x, (side, side)).clamp(0, 1) for x in originals)
        solver = method.solver
        problem = solver.problem(target, (Reference(source),))
        start = solver.start_variable(problem)
        seen = {"0": problem.region.to_rgb(problem.region.project(start))}

        def on_step(step: int, _: float, variable: Tensor) -> None:
            if step in snapshots:
                seen[str(step)] = problem.region.to_rgb(variable.clone())

        descent = solver.solve(problem, steps=pictures.steps, on_step=on_step)
        losses = descent.losses
        result = problem.region.to_rgb(descent.variable)
    return {"target": target, "source": source, "result": result}, losses, seen


def strip(pictures: Pictures, name: str, **settings: object) -> dict[str, Figure]:
    """Target, source and result, and the curve with its snapshots."""
    marks = tuple(pictures.steps * k // 5 for k in range(1, 6))
    panels, losses, seen = run(pictures, name, marks, **{"tolerance": 0.0, **settings})
    curve = {"loss": ([float(k + 1) for k in range(len(losses))], losses)}
    return {"": plot_strip(panels), "steps": plot_loss({name: curve}, seen)}


def panels_over(pictures: Pictures, settings: dict[str, dict[str, object]]) -> dict[str, Figure]:
    """A panel for each of several settings; one whose layers' weights are missing says so in its place."""
    panels: dict[str, Tensor] = {}
    for label, one in settings.items():
        try:
            pair, losses, _ = run(pictures, FIRST, tolerance=0.0, **one)
            panels[f"{label}\nloss {losses[-1]:.3g}"] = pair["result"]
        except WeightsMissing as error:
            print(f"{label}: not made: {error}", file=sys.stderr)
            reason = re.split(r" and |, which ", str(error).rstrip("."))[-1]  # without the path
            panels[f"{label}\nnot made: {reason}"] = torch.full((1, 3, 48, 48), 0.9)
    return {"": plot_strip(panels, columns=3)}


@figure(30, "Gram transfer by L-BFGS, from the target")
def lbfgs(pictures: Pictures) -> dict[str, Figure]:
    """Style 1000 on conv_1 to conv_5, content 1 on conv_5, in R, G and B. L-BFGS here stays in [0, 1] and has a line
    search: its loss never rises."""
    return strip(pictures, FIRST, start="target")


@figure(31, "The same by Adam")
def adam(pictures: Pictures) -> dict[str, Figure]:
    """Adam needs more steps for the same loss, and its loss is not monotone."""
    return strip(pictures, FIRST, start="target", algorithm="adam")


@figure(32, "From the average of target and source")
def average(pictures: Pictures) -> dict[str, Figure]:
    """The loss is lower, and the source stays visible as a ghost. The last panels start from the colors of the source
    placed by rank of luminance, which takes no place from it, and optimise chroma alone under the exact luminance."""
    figures = strip(pictures, FIRST)
    ways = {
        "from colors by rank": {"start": "rank-colour"},
        "chroma alone": {"start": "rank-colour", "optimize": "chroma"},
    }
    return figures | {"rank": panels_over(pictures, ways)[""]}  # type: ignore[arg-type]


@figure(33, "A second pair")
def second(pictures: Pictures) -> dict[str, Figure]:
    """A source with more of a texture."""
    return strip(pictures, SECOND)


@figure(34, "Content on one of conv 1, 3, 5, 9, 13, 16")
def content_layers(pictures: Pictures) -> dict[str, Figure]:
    """Style 500 on conv_1 to conv_5, content 1 on one layer: the deeper it is, the less it holds."""
    style = dict.fromkeys(FIVE, 500.0)
    ways = {f"content conv_{k}": {"style": style, "content": {f"conv_{k}": 1.0}} for k in (1, 3, 5, 9, 13, 16)}
    return panels_over(pictures, ways)  # type: ignore[arg-type]


@figure(35, "Six settings of style")
def style_layers(pictures: Pictures) -> dict[str, Figure]:
    """Content 1 on conv_5."""
    ways = {
        f"style 500 on conv_{k} to conv_{k + 4}": dict.fromkeys([f"conv_{k + i}" for i in range(5)], 500.0)
        for k in (2, 3, 4)
    }
    for weights in ([200, 400, 600, 800, 1000], [1000, 800, 600, 400, 200], [300, 600, 900, 600, 300]):
        ways[f"style {', '.join(map(str, weights))}"] = dict(zip(FIVE, map(float, weights)))
    return panels_over(pictures, {label: {"style": style} for label, style in ways.items()})


@figure(36, "A gray photograph")
def gray_photograph(pictures: Pictures) -> dict[str, Figure]:
    """There is no true color to compare with."""
    return strip(pictures, GRAY)


@figure(37, "The same at twice the side, content 0.5, to convergence")
def gray_photograph_large(pictures: Pictures) -> dict[str, Figure]:
    """Until ten steps lower the loss by less than a thousandth."""
    return strip(pictures, GRAY, scale=2, content={"conv_5": 0.5}, tolerance=1e-3)
