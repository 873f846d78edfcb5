"""What several verbs are given: a target with its guidance, and methods."""

from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from torch import Tensor

from recolor_torch.cli.method_text import check_method, settings_of
from recolor_torch.cli.type_words import is_of_type, type_words
from recolor_torch.color import rgb_to_luminance
from recolor_torch.errors import UsageError
from recolor_torch.guide import Guide
from recolor_torch.hints.read import read_hints
from recolor_torch.methods import Recolorizer, build_method
from recolor_torch.pictures import read_picture
from recolor_torch.pictures.guidance import read_reference
from recolor_torch.plots.hint_plots import draw_hints
from recolor_torch.run.linked import read_links, with_targets
from recolor_torch.text import short


@dataclass(frozen=True)
class Given:
    """A target, what it is to be colored by, and its true colors where they are known."""

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


def build_given(name: str, settings: dict[str, Any], args: Namespace) -> Recolorizer:
    """A method; what is wrong with its name or settings is one sentence.

    Args:
        name: of the method.
        settings: those that differ from the defaults.
        args: with the flags of :func:`add_weights`, which reach the methods that look at pictures with VGG-19.
    """
    check_method(name)
    if "download" in settings_of(name):
        settings = {"weights": args.weights, "download": args.download, **settings}
    try:
        method = build_method(name, **settings)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error
    except TypeError as error:
        _check_types(name, settings)
        raise UsageError(f"{name}: {error}") from error
    _check_types(name, settings)
    return method


def _check_types(name: str, settings: dict[str, Any]) -> None:
    """Raise ``UsageError`` for a value of another type than its setting has."""
    known = settings_of(name)
    for key, value in settings.items():
        kind = known[key].annotation if key in known else Any
        # A class of the user's may have no types, or such as nobody has read yet.
        if kind is not Parameter.empty and not isinstance(kind, str) and not is_of_type(value, kind):
            raise UsageError(f"{name}: {key} must be {type_words(kind)}, got {short(value)}.")
