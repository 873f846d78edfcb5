"""The way of a picture: into the method's space, through the method, and back into a picture."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from recolor_torch.checks import check_batch, check_choice, check_image, check_mask, check_same_size
from recolor_torch.color import from_rgb, rgb_to_luminance, rgb_to_yuv, to_rgb
from recolor_torch.color.tables import ChromaTable
from recolor_torch.compose import Keep, compose, join
from recolor_torch.guide import Guide, Reference, make_guide
from recolor_torch.methods import Recolorizer, build_method, choose_method
from recolor_torch.precision import HALF, in_float32, in_single
from recolor_torch.resize import resize, resize_hints, working_size
from recolor_torch.strips import Rows, resized_rows, shrink


def recolor(
    image: Tensor,
    method: Recolorizer | str | None = None,
    guide: Guide | None = None,
    *,
    reference: Tensor | Reference | Sequence[Tensor | Reference] | None = None,
    hints: tuple[Tensor, Tensor] | None = None,
    text: str | None = None,
    target: Literal["gray", "color"] = "gray",
    keep: Keep = "luma",
    strength: float = 1.0,
    max_side: int | None = None,
) -> Tensor:
    """Recolor a picture or a batch of pictures.

    Args:
        image: the targets, sRGB, (B, 3, H, W) or (3, H, W), [0, 1]; a gray picture has three equal channels.
        method: a method, or the name of one with its default settings; chosen by what is given where None.
        guide: references and hints in sRGB, masks in [0, 1], prior chroma in YUV.
        reference: a picture whose colors are wanted, or several, beside those of ``guide``.
        hints: colors, (3, H, W) or (B, 3, H, W), and their mask, in place of those of ``guide``.
        text: colors for things, as "red dress, green lawn", in place of that of ``guide``. What of it is not known or
            not found is in ``method.notes``, or a warning where the method is not yours.
        target: ``gray`` drops the color that the target has (scans are often tinted), ``color``
            lets the method see it.
        keep: ``luma``: the result has the luminance of ``image``; ``none``: the method's own.
        strength: 0 returns ``image``, 1 the result.
        max_side: the method works on a copy with this longer side at most, and chroma is brought back to full
            size; the method's ``largest_side`` (``levin``: 1536) where it is not given.

    Returns:
        sRGB, [0, 1], in the shape and the dtype and on the device of ``image``. On a CPU each picture of a batch is the
        one that it is alone, to the last bit.

    Raises:
        TypeError: a tensor is not floating point.
        ValueError: a shape is wrong, or the guide lacks what the method needs.

    Example:
        >>> import torch
        >>> old, colored = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 9, 7)
        >>> recolor(old, "histogram", reference=colored).shape
        torch.Size([1, 3, 8, 8])
    """
    guide = make_guide(guide, reference, hints, text)
    if image.ndim == 3:
        whole = recolor(image[None], method, guide, target=target, keep=keep, strength=strength, max_side=max_side)
        return whole[0]
    if method is None:
        method = choose_method(bool(guide.references), guide.hints is not None)
    check_image(image, "image", channels=3)
    settings: dict[str, Any] = {"target": target, "keep": keep, "strength": strength, "max_side": max_side}
    if image.dtype in HALF:
        return in_float32(lambda x, g: recolor(x, method, g, **settings), image, guide)
    check_choice(target, "target", ("gray", "color"))
    method, own = (build_method(method), True) if isinstance(method, str) else (method, False)
    method.require(guide)
    method.expect(bool(guide.references), guide.hints is not None)
    keep = method.kept(keep)
    _check_guide(guide, image)
    method.notes = []

    height, width = image.shape[-2:]
    size = working_size(height, width, method.working_side(max_side))
    if target == "gray" and keep == "luma" and size == (height, width) and not _differentiates(image, guide):
        table = None if guide.target_mask is not None else method.chroma_table(guide.to(image))
        if table is not None:
            return _painted(image, table, strength)
    if image.device.type == "cpu" and len(image) > 1 and not method.whole_batches:
        result = _one_by_one(image, method, guide, partial(recolor, **settings))
        _warn(method if own else None)
        return result
    work = resize(image, size).clamp(0, 1)
    if target == "gray":
        work = rgb_to_luminance(work).expand(-1, 3, -1, -1)
    result = _run(method, from_rgb(work, method.space), guide_in_space(guide.to(image), method.space, size))
    _warn(method if own else None)
    return compose(image, to_rgb(result, method.space), keep, strength, guide.to(image).target_mask)


def recolor_strips(
    rows: Rows,
    full: tuple[int, int],
    method: Recolorizer,
    guide: Guide,
    *,
    target: Literal["gray", "color"] = "gray",
    keep: Keep = "luma",
    strength: float = 1.0,
    max_side: int | None = None,
    mask: Rows | None = None,
) -> Rows:
    """``recolor`` of one picture that is never whole in memory; the result comes in rows too.

    At full size there is a table, or the chroma of the working copy; the rest is done strip by strip. A method that
    works at full size and is no table (see ``Recolorizer.table``) is given the whole picture.

    Args:
        rows: rows of the target, sRGB, on the device that the method works on.
        full: the target's height and width.
        method: the method.
        guide: as for ``recolor``, but what lies on the target is at the working size.
        target, keep, strength, max_side: as for ``recolor``.
        mask: rows of the target mask at full size.

    Returns:
        What gives rows of the result, sRGB in [0, 1].
    """
    method.require(guide)
    method.expect(bool(guide.references), guide.hints is not None)
    method.notes = []
    keep = method.kept(keep)
    size = working_size(*full, method.working_side(max_side))
    if target == "gray" and keep == "luma" and size == tuple(full) and mask is None:
        chroma = method.chroma_table(guide)
        if chroma is not None:
            return partial(_painted_rows, rows, chroma, strength)
    inner = guide_in_space(guide, method.space, size)
    del guide  # a copy of it is of no use while the method works

    def seen(image: Tensor) -> Tensor:
        image = rgb_to_luminance(image).expand(-1, 3, -1, -1) if target == "gray" else image
        return from_rgb(image, method.space)

    table = None
    if size == tuple(full):
        table = method.table(lambda top, bottom: seen(rows(top, bottom)), full, inner, mask)
    small: Tensor | None = None
    if table is None:
        small = to_rgb(_run(method, seen(shrink(rows, full, size).clamp(0, 1)), inner), method.space)
        small = rgb_to_yuv(small)[:, 1:] if keep == "luma" else small

    def result(top: int, bottom: int) -> Tensor:
        image = rows(top, bottom)
        there = None if mask is None else mask(top, bottom)
        if table is not None:
            colors = to_rgb(table(seen(image), there), method.space)
            return compose(image, colors, keep, strength, there)
        assert small is not None
        return join(image, resized_rows(small, full, top, bottom), keep, strength, there)

    return result


def _painted_rows(rows: Rows, table: ChromaTable, strength: float, top: int, bottom: int) -> Tensor:
    return _painted(rows(top, bottom), table, strength)


def _painted(image: Tensor, table: ChromaTable, strength: float) -> Tensor:
    colored = table.paint(rgb_to_luminance(image))
    return colored if strength == 1 else image.lerp(colored, strength)


def _differentiates(image: Tensor, guide: Guide) -> bool:
    """Whether gradients are asked for."""
    given = [image, *(r.image for r in guide.references)]
    return torch.is_grad_enabled() and any(x.requires_grad for x in given)


def _run(method: Recolorizer, image: Tensor, guide: Guide) -> Tensor:
    return in_single(method, image, guide) if method.single else method(image, guide)


def _one_by_one(image: Tensor, method: Recolorizer, guide: Guide, recolor_one: Callable[..., Tensor]) -> Tensor:
    """Each picture alone, so that its company changes nothing; the stages of all are put together."""
    results, stages, notes = [], [], []
    for i in range(len(image)):
        method.stages = {}
        results.append(recolor_one(image[i : i + 1], method, guide.select(i)))
        stages.append(method.stages)
        notes += method.notes or [()]
    method.stages = {name: _together([s[name] for s in stages]) for name in stages[0]}
    method.notes = notes
    return torch.cat(results)


def _warn(method: Recolorizer | None) -> None:
    """Say what a method noted that nobody but this module holds."""
    for note in dict.fromkeys(n for picture in method.notes for n in picture) if method else ():
        warnings.warn(note, stacklevel=3)


def _together(parts: Sequence[Tensor | str]) -> Tensor | str:
    tensors = [p for p in parts if isinstance(p, Tensor)]
    return torch.cat(tensors) if tensors else "".join(p for p in parts if isinstance(p, str))


def guide_in_space(guide: Guide, space: str, size: tuple[int, int]) -> Guide:
    """The guide as a method reads it: its pictures in ``space``, what lies on the target at ``size``."""
    references = tuple(replace(r, image=from_rgb(r.image, space)) for r in guide.references)
    hints, hint_mask = guide.hints, guide.hint_mask
    if hints is not None and hint_mask is not None:
        hints, hint_mask = resize_hints(hints, hint_mask, size)
        hints = from_rgb(hints, space)

    def fit(x: Tensor | None) -> Tensor | None:
        return None if x is None else resize(x, size)

    def fit_mask(x: Tensor | None) -> Tensor | None:
        return None if x is None else resize(x, size).clamp(0, 1)

    prior, confidence = fit(guide.prior), fit_mask(guide.confidence)
    links = tuple(replace(k, target=resize(k.target, size).clamp(0, 1)) for k in guide.links)
    return Guide(references, fit_mask(guide.target_mask), hints, hint_mask, prior, confidence, links, guide.text)


def _check_guide(guide: Guide, image: Tensor) -> None:
    for r in guide.references:
        check_image(r.image, "reference", channels=3)
        check_batch(r.image, "reference", image)
        if r.mask is not None:
            check_mask(r.mask, "reference mask", r.image, "its reference")
    for k in guide.links:
        check_mask(k.target, "target of a link", image)
        check_mask(k.region, "region of a link", guide.references[k.reference].image, "its reference")
    if guide.target_mask is not None:
        check_mask(guide.target_mask, "target_mask", image)
    if guide.hints is not None and guide.hint_mask is not None:
        check_image(guide.hints, "hints", channels=3)
        check_same_size(guide.hints, "hints", image)
        check_mask(guide.hint_mask, "hint_mask", image)
