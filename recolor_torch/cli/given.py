"""What several verbs are given: methods as text, a target with its guidance, a device."""

from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from jsonargparse import Namespace
from torch import Tensor

from recolor_torch.cli.parser import Parser
from recolor_torch.color import rgb_to_luminance
from recolor_torch.errors import UsageError
from recolor_torch.guide import Guide
from recolor_torch.hints.read import read_hints
from recolor_torch.methods import METHODS, Recolorizer, build_method
from recolor_torch.pictures import read_picture
from recolor_torch.pictures.guidance import read_reference
from recolor_torch.plots.hint_plots import draw_hints
from recolor_torch.run.linked import read_links, with_targets


def add_guidance(parser: Parser) -> None:
    """The flags that :func:`read_given` reads."""
    add = parser.add_argument
    add("target", metavar="TARGET", help="the picture")
    add("-r", "--reference", action="append", metavar="PICTURE", help="whose colours are wanted; may be repeated")
    add("--hints", type=str, metavar="FILE", help="given colours")
    add("--truth", type=str, metavar="PICTURE", help="the true colours: adds CIEDE2000 and PSNR")
    add("--target-color", action="store_true", help="let methods see the target's own colour")
    add("--max-side", type=int, default=1024, metavar="N", help="work on copies with this longer side")
    add("--seed", type=int, default=0, metavar="N", help="make what is random repeatable")
    add_weights(parser)


def add_weights(parser: Parser) -> None:
    """The flags that :func:`build` reads."""
    parser.add_argument("--weights", type=str, metavar="FILE", help="weights of VGG-19, for the methods that need it")
    parser.add_argument("--download", action="store_true", help="let torchvision fetch them (550 MB)")


@dataclass(frozen=True)
class Given:
    """A target, what it is to be coloured by, and its true colours where they are known."""

    target: Tensor
    guide: Guide
    truth: Tensor | None
    kind: Literal["gray", "color"]

    def panels(self) -> dict[str, Tensor]:
        """What the methods see, as pictures by name."""
        gray = rgb_to_luminance(self.target).expand(-1, 3, -1, -1)
        panels = {"target": gray if self.kind == "gray" else self.target}
        panels |= {f"reference {i}": r.image for i, r in enumerate(self.guide.references, start=1)}
        if self.guide.hints is not None and self.guide.hint_mask is not None:
            panels["hints"] = draw_hints(self.target, self.guide.hints, self.guide.hint_mask)
        if self.truth is not None:
            panels["truth"] = self.truth
        return panels


def read_given(args: Namespace) -> Given:
    """Read what the flags of :func:`add_guidance` name.

    Raises:
        UsageError: the truth has another size than the target.
        PictureError: a file cannot be read.
    """
    if args.max_side < 1:
        raise UsageError(f"--max-side must be 1 or more, got {args.max_side}.")
    target = read_picture(args.target).image
    truth = read_picture(args.truth).image if args.truth else None
    if truth is not None and truth.shape != target.shape:
        raise UsageError(f"{args.truth}: the truth must have the size of the target.")
    hints = read_hints(args.hints, target) if args.hints else None
    paths = [Path(path) for path in args.reference or []]
    references = tuple(read_reference(path) for path in paths)
    guide = Guide(references)
    if hints is not None:
        references, found = read_links(hints.shapes, Path(args.hints), paths, references)
        links = with_targets(hints.shapes, found, (target.shape[-2], target.shape[-1]))
        guide = Guide(references, hints=hints.image, hint_mask=hints.mask, links=links)
    return Given(target, guide, truth, "color" if args.target_color else "gray")


def check_sheet(output: str | None) -> None:
    """Raise ``UsageError`` unless ``output`` names a sheet that can be written."""
    if not output or Path(output).suffix.lower() not in (".png", ".svg"):
        raise UsageError("Say where the sheet goes: -o SHEET.png or -o SHEET.svg.")


def build(name: str, settings: dict[str, Any], args: Namespace) -> Recolorizer:
    """A method; what is wrong with its name or settings is one sentence.

    Args:
        name: of the method.
        settings: those that differ from the defaults.
        args: with the flags of :func:`add_weights`, which reach the methods that look at pictures with VGG-19.
    """
    check_method(name)
    if "download" in signature(METHODS[name]).parameters:
        settings = {"weights": args.weights, "download": args.download, **settings}
    try:
        return build_method(name, **settings)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name}: {error}") from error


def method_parts(text: str) -> tuple[str, dict[str, Any]]:
    """Name and settings from ``"NAME SETTING=VALUE ..."``, values as in YAML."""
    name, *settings = text.split() or [""]
    check_method(name)
    values: dict[str, Any] = {}
    for setting in settings:
        key, mark, value = setting.partition("=")
        if not mark:
            raise UsageError(f"{text!r}: a setting is written SETTING=VALUE, got {setting!r}.")
        values[key] = parse_value(value)
    return name, values


def check_method(name: str) -> None:
    """Raise ``UsageError`` unless there is a method of this name."""
    if name not in METHODS:
        raise UsageError(f"Unknown method {name!r}. Known methods: {', '.join(sorted(METHODS))}.")


def parse_value(text: str) -> Any:
    """A setting's value as YAML has it, and 1e-3 as the number that YAML takes for text."""
    value = yaml.safe_load(text)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def torch_device(name: str) -> torch.device:
    """The device for ``--device``: auto takes the accelerator that there is."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdecimal())):
        raise UsageError(f"Unknown device {name!r}. Known devices: auto, cpu, cuda, cuda:N, mps.")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(f"There is no device {name}; CUDA devices here: {torch.cuda.device_count()}.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("No MPS device was found; use --device cpu.")
    return torch.device(name)
