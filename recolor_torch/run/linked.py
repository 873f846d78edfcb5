"""Links of a hints file: which files they name, and what they are for a method."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from recolor_torch.errors import UsageError
from recolor_torch.guide import Guide, Link, Reference
from recolor_torch.hints.links import resolve_names
from recolor_torch.hints.read import HintError, is_shapes, read_shapes
from recolor_torch.hints.shapes import HintShapes
from recolor_torch.methods import Recolorizer, method_name
from recolor_torch.paths import is_folder, show_path
from recolor_torch.pictures.decode import MAX_PIXELS
from recolor_torch.pictures.guidance import read_reference


def link_names(hints: Path | None) -> tuple[str, ...]:
    """The names that a hints file's links hold; none where it is another file, or cannot be read."""
    if hints is None or not is_shapes(hints):
        return ()
    try:
        return tuple(link.name for link in read_shapes(hints, None).links)
    except HintError:
        return ()  # reading it for its target says why


def holds_links(hints: Path) -> bool:
    """Whether a hints file, or one in a folder of them, has links."""
    if not is_folder(hints):
        return bool(link_names(hints))
    return any(link_names(file) for file in sorted(hints.rglob("*.json")))


def linked_files(names: Sequence[str], hints: Path | None, references: Sequence[Path]) -> list[Path]:
    """Files that links name beside the references, each once; none where a name stands for nothing."""
    if hints is None or not names:
        return []
    try:
        found = resolve_names(names, references, hints.parent)
    except ValueError:
        return []  # a gallery may find the reference yet; reading the links says why
    return [path for path in dict.fromkeys(found) if path not in references]


def read_links(
    shapes: HintShapes | None,
    hints: Path,
    paths: Sequence[Path],
    references: tuple[Reference, ...],
    max_pixels: int = MAX_PIXELS,
) -> tuple[tuple[Reference, ...], tuple[tuple[int, int, Tensor], ...]]:
    """The references with those that links name besides, and the links but for their targets.

    Args:
        shapes: of the hints file.
        hints: the file, for messages and for names in its folder.
        paths: the references' files.
        references: what they hold.
        max_pixels: refuse pictures with more pixels than this.

    Returns:
        References, those that were added with the weight 0: they count in their links alone. And for each link that
        touches the target its place in ``shapes.links``, the place of its reference, and its region,
        (1, 1, H', W'); :func:`with_targets` makes links of them.

    Raises:
        PictureError: a name stands for no picture, or a region lies outside of one; one sentence.
    """
    if shapes is None or not shapes.links:
        return references, ()
    try:
        files = resolve_names([link.name for link in shapes.links], paths, hints.parent)
    except ValueError as error:
        raise HintError(f"{show_path(hints)}: {error}.") from error
    known, pictures = list(paths), list(references)
    found = []
    for i, (link, file) in enumerate(zip(shapes.links, files)):
        if not shapes.touches(link.target.outline, link.target.radius):
            continue
        if file not in known:
            known.append(file)
            pictures.append(replace(read_reference(file, None, max_pixels), weight=0.0))
        place = known.index(file)
        height, width = pictures[place].image.shape[-2:]
        region = link.reference.rasterize(link.reference_size or (width, height), (height, width))
        if not region.any():
            raise HintError(
                f"{show_path(hints)}: links[{i}].reference lies outside of {show_path(file)} ({width} x {height})."
            )
        found.append((i, place, torch.from_numpy(region)[None, None].float()))
    return tuple(pictures), tuple(found)


def with_targets(
    shapes: HintShapes | None, found: tuple[tuple[int, int, Tensor], ...], size: tuple[int, int]
) -> tuple[Link, ...]:
    """Links on a target of ``size``, (height, width), from what :func:`read_links` found."""
    if shapes is None:
        return ()
    masks = [(shapes.links[i].target.rasterize(shapes.size, size), place, region) for i, place, region in found]
    return tuple(Link(place, torch.from_numpy(m)[None, None].float(), region) for m, place, region in masks if m.any())


def without_links(guide: Guide, method: Recolorizer) -> tuple[Guide, list[str]]:
    """What a method reads of a guide, and what is said of links that it does not.

    Raises:
        UsageError: there is nothing else that the method could go by.
    """
    if not guide.links or method.follows_links:
        return guide, []
    name = method_name(method)
    said = f"{name} does not follow links: -m correspondence and -m semi_interactive do"
    references = tuple(r for r in guide.references if r.weight > 0)
    hinted = guide.hint_mask is not None and bool((guide.hint_mask > 0.5).any())
    if ("hints" in method.needs and not hinted) or ("reference" in method.needs and not references):
        raise UsageError(f"the hints have links alone, and {said}.")
    return replace(guide, references=references, links=()), [f"{said}."]
