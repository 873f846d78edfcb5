"""Coloring a batch: the method, then the results of its pictures, one failure never touching another."""

import time
from dataclasses import replace
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from recolor_torch.color import fit_gamut, rgb_to_yuv
from recolor_torch.guide import Guide
from recolor_torch.methods import Recolorizer, method_name
from recolor_torch.paths import failure
from recolor_torch.pictures.guidance import hides, without_hidden
from recolor_torch.pictures.read import Picture
from recolor_torch.pipeline import recolor
from recolor_torch.resize import working_size
from recolor_torch.run.batches import HARDLY_ANY, PictureBatch, Result
from recolor_torch.run.description import Coloring
from recolor_torch.run.large import LOOKED_AT, LargeResult, LargeTarget, kept_share
from recolor_torch.run.linked import without_links
from recolor_torch.strips import Rows


def describe_method(method: Recolorizer, coloring: Coloring) -> dict[str, Any]:
    """What the run record says of the method, and what a result depends on; loads what the method needs."""
    method.prepare()
    return {
        "method": method_name(method),
        "parameters": method.settings(),
        **method.provenance(),
        "target_color": coloring.target,
        "keep": method.kept(coloring.keep),
        "strength": coloring.strength,
        "max_side": method.working_side(coloring.max_side),
    }


def describe_bare(method: Recolorizer, coloring: Coloring, hints: bool) -> dict[str, Any] | None:
    """``describe_method`` of what colors the targets without hints of a run that has some; None where ``method`` does.

    Args:
        method: of the run.
        coloring: how its colors come to the pictures.
        hints: the run has some.
    """
    bare = method.bare() if hints and "hints" in method.needs else None
    return None if bare is None else describe_method(bare, coloring)


def color_batch(method: Recolorizer, batch: PictureBatch, coloring: Coloring, place: Tensor) -> list[Result]:
    """Results for all jobs of a batch; where the batch fails, its pictures are tried one by one.

    Args:
        method: the method, on the device of ``place``.
        batch: what was read.
        coloring: how its colors come to the pictures.
        place: a tensor of the device and type that are computed on and in.
    """
    results = [Result(job, error=message) for job, message in batch.failures]
    if any(job.facts is not None for job in (*batch.jobs, *([batch.large.job] if batch.large else []))):
        method = method.bare() or method
    if batch.large is not None:
        return [*results, _color_large(method, batch.large, coloring, place)]
    if batch.images is None:
        return results
    if coloring.strength == 0:
        triples = zip(batch.jobs, batch.pictures, batch.hashes)
        return results + [Result(job, picture, digest, copy=True) for job, picture, digest in triples]
    if len(batch.jobs) > 1:
        try:
            return results + _color(
                method, batch, list(range(len(batch.jobs))), batch.images, batch.guide, coloring, place
            )
        except Exception:  # noqa: BLE001 # the cause is found below
            # One bad picture, or a batch too large for the memory: find out one by one.
            pass
    for i, job in enumerate(batch.jobs):
        try:
            results += _color(method, batch, [i], *batch.select(i), coloring, place)
        except Exception as error:  # noqa: BLE001 # a failure concerns its picture alone
            results.append(Result(job, batch.pictures[i], batch.hashes[i], error=failure(job.target, error)))
    return results


def _color_large(method: Recolorizer, large: LargeTarget, coloring: Coloring, place: Tensor) -> Result:
    if coloring.strength == 0:
        return Result(large.job, large.scan, large.hash, copy=True)
    method.stages.clear()
    try:
        found = LargeResult(large, method, coloring, place)
    except Exception as error:  # noqa: BLE001 # a failure concerns its picture alone
        return Result(large.job, large.scan, large.hash, error=failure(large.job.target, error))
    said = method.notes[0] if method.notes else ()
    scan = replace(large.scan, notes=(*large.scan.notes, *found.passed_over, *said))
    return Result(
        large.job,
        scan,
        large.hash,
        large=found,
        seconds=found.seconds,
        working_size=found.working_size,
        stages={name: _of_sample(stage, 0) for name, stage in method.stages.items()},
        if_gray=_if_gray(bool(large.references or large.hints or large.job.text)),
    )


def _color(
    method: Recolorizer,
    batch: PictureBatch,
    indices: list[int],
    images: Tensor,
    guide: Guide,
    coloring: Coloring,
    place: Tensor,
) -> list[Result]:
    start = time.perf_counter()
    method.stages.clear()
    guide, passed_over = without_links(guide, method)
    pictures = [batch.pictures[i] for i in indices]
    hidden = [picture for picture in pictures if hides(picture)]
    seen = torch.cat([_seen(picture) for picture in pictures]) if hidden else images
    out = recolor(
        seen.to(place),
        method,
        guide.to(place),
        target=coloring.target,
        keep=coloring.keep,
        strength=coloring.strength,
        max_side=coloring.max_side,
    )
    out = out.float().cpu()
    if hidden:  # what nobody sees stays as it is
        everywhere = torch.ones_like(out[:1, :1])
        alphas = [everywhere if picture.alpha is None else picture.alpha for picture in pictures]
        out = torch.where(torch.cat(alphas) > 0.5, out, images)
    seconds = (time.perf_counter() - start) / len(images)
    height, width = images.shape[-2:]
    size = working_size(height, width, method.working_side(coloring.max_side))
    stages = dict(method.stages)
    if method.keep_stages:
        stages["chroma"] = fit_gamut(torch.full_like(out[:, :1], 0.5), rgb_to_yuv(out)[:, 1:])
    said = method.notes if len(method.notes) == len(out) else [()] * len(out)
    gray = (_mean_chroma(out) < HARDLY_ANY).tolist()
    return [
        Result(
            batch.jobs[i],
            _noted(batch.pictures[i], [*passed_over, *said[k], *([_if_gray(_given(guide))] if gray[k] else [])]),
            batch.hashes[i],
            out[k : k + 1],
            kept=kept_share(coloring.strength, _mask_of(guide.target_mask, k)),
            seconds=seconds,
            working_size=size,
            stages={name: _of_sample(stage, k) for name, stage in stages.items()},
        )
        for k, i in enumerate(indices)
    ]


def _seen(picture: Picture) -> Tensor:
    """What a method is shown of a picture: nothing of what is transparent."""
    if not hides(picture):
        return picture.image
    return without_hidden(lambda top, bottom: picture.image[..., top:bottom, :], picture)(0, picture.info.height)


def _mask_of(mask: Tensor | None, sample: int) -> Rows | None:
    """Rows of one picture's target mask."""
    if mask is None:
        return None
    one = mask[sample if len(mask) > 1 else 0][None].cpu()
    return lambda top, bottom: one[..., top:bottom, :]


def _mean_chroma(image: Tensor) -> Tensor:
    """Mean length of (U, V) of each picture, (B,), from a grid of pixels where there are more than LOOKED_AT."""
    height, width = image.shape[-2:]
    step = max(1, isqrt(height * width // LOOKED_AT))
    u, v = rgb_to_yuv(image[..., ::step, ::step])[:, 1:].unbind(1)
    return (u * u + v * v).sqrt().mean((1, 2))


def _given(guide: Guide) -> bool:
    return bool(guide.references) or guide.hints is not None or guide.text is not None


def _noted(picture: Picture, notes: list[str]) -> Picture:
    return replace(picture, notes=(*picture.notes, *notes)) if notes else picture


def _if_gray(given: bool) -> str:
    reason = "what was given does not fit it" if given else "give it some points"
    return f"the result has hardly any color: {reason}."


def _of_sample(stage: Tensor | str, index: int) -> Tensor | str:
    if isinstance(stage, str):
        return stage
    return stage[index if stage.shape[0] > 1 else 0][None].float().cpu()
