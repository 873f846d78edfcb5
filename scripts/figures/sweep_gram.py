r"""Gram transfer over the presets of one figure of the report, on one labelled sheet.

    python -m scripts.figures.sweep_gram TARGET REFERENCE -o SHEET.png \
        [--presets configs/gram/report-fig35-*.yaml] [--size 256]
                                 [--steps 500] [--weights FILE]

A preset whose layers' weights are missing has a panel that says so.
"""

import argparse
import sys
from pathlib import Path

import torch
import yaml
from torch import Tensor

from recolor_torch.errors import WeightsMissing
from recolor_torch.lit import TransferData
from recolor_torch.methods import GramTransfer
from recolor_torch.plots.figures import plot_strip, write_figure

FOLDER = Path(__file__).parents[2] / "configs" / "gram"


def run_preset(preset: Path, target: str, reference: str, **changes: object) -> tuple[str, Tensor]:
    """The label and the picture of a preset; a gray picture where its layers' weights are missing.

    Args:
        preset: a config of ``configs/gram``.
        target: the picture to recolor.
        reference: whose style is wanted.
        changes: settings in place of the preset's: of the method, and ``size``.
    """
    config = yaml.safe_load(preset.read_text())
    data = {**config["data"]["init_args"], **{k: v for k, v in changes.items() if k == "size"}}
    settings = config["model"]["init_args"]["method"]["init_args"] | {"steps": config["trainer"]["max_steps"]}
    method = GramTransfer(**settings | {k: v for k, v in changes.items() if k != "size"})
    label = f"style {said(method.style)}\ncontent {said(method.content)}"
    picture, references = TransferData(target, [reference], **data).pictures(torch.device("cpu"))
    try:
        problem = method.solver.problem(picture, references)
    except WeightsMissing as error:
        return f"{label}\nnot made: needs conv_{method.losses.depth}", _missing(picture, error)
    descent = method.solver.solve(problem)
    return f"{label}\nloss {descent.losses[-1]:.3g} after {len(descent.losses)} steps", problem.region.to_rgb(
        descent.variable
    )


def said(weights: dict[str, float]) -> str:
    """Weights by layer in short: 1: 500, 2: 500."""
    return ", ".join(f"{layer.removeprefix('conv_')}: {weight:g}" for layer, weight in weights.items())


def _missing(like: Tensor, error: WeightsMissing) -> Tensor:
    print(f"not made: {error}", file=sys.stderr)
    return torch.full_like(like, 0.9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("reference")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", type=Path, default=sorted(FOLDER.glob("report-fig34-*.yaml")))
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--weights")
    arguments = parser.parse_args()
    changes = {k: getattr(arguments, k) for k in ("size", "steps", "weights") if getattr(arguments, k) is not None}
    panels = dict(run_preset(p, arguments.target, arguments.reference, **changes) for p in arguments.presets)
    write_figure(arguments.output, plot_strip(panels, columns=3))
    print(f"{len(panels)} presets, in {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
