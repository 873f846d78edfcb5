"""GPU kernels in Triton: a row of a sparse graph, or a pixel with its neighbours, in one pass over memory.

Written shift by shift, as they are on a processor, a sweep is dozens of kernels that read and write whole fields.
``fused.py`` calls them, where there is a GPU. Sums are in a fixed order: the same call gives the same bits.
"""

from __future__ import annotations  # those of the parameters name Triton, which is not everywhere

from collections.abc import Callable
from typing import Any

FAULT: ImportError | None = None
"""Why Triton does not start: it is not installed, or it lacks a package (3.2 needs setuptools and does not say so)."""

try:
    import triton
    import triton.language as tl
except ImportError as error:
    FAULT = error


# Rows of a graph, and entries of a row, that a program takes at a time; pixels likewise.
ROWS, ENTRIES, PIXELS, NODES = 64, 8, 256, 128


def _kernel(*numbers: str) -> Callable[[Any], Any]:
    """A kernel that is compiled once for all values of the parameters ``numbers``; without Triton nothing calls it."""
    return (lambda function: function) if FAULT else triton.jit(do_not_specialize=numbers)


@_kernel("step", "rows", "channels", "has_b", "has_inverse", "has_base")
def multiply_rows(
    starts,
    cols,
    values,
    x,
    b,
    inverse,
    base,
    out,
    step,
    rows,
    channels,
    has_b,
    has_inverse,
    has_base,
    R: tl.constexpr,
    K: tl.constexpr,
    C: tl.constexpr,
):
    """out = base + step inverse (b - A x) of compressed rows. What is missing is left out: A x alone without b."""
    row = tl.program_id(0) * R + tl.arange(0, R)
    channel = tl.arange(0, C)
    inside, real = row < rows, channel < channels
    first = tl.load(starts + row, mask=inside, other=0)
    last = tl.load(starts + row + 1, mask=inside, other=0)
    total = tl.zeros((R, C), dtype=out.dtype.element_ty)
    longest = tl.max(last - first, axis=0)
    for done in range(0, longest, K):
        at = first[:, None] + done + tl.arange(0, K)[None, :]
        there = at < last[:, None]
        col = tl.load(cols + at, mask=there, other=0).to(tl.int64)
        value = tl.load(values + at, mask=there, other=0)
        part = tl.load(
            x + col[:, :, None] * channels + channel[None, None, :],
            mask=there[:, :, None] & real[None, None, :],
            other=0,
        )
        total += tl.sum(value[:, :, None] * part, axis=1)
    place = row.to(tl.int64)[:, None] * channels + channel[None, :]
    kept = inside[:, None] & real[None, :]
    if has_b:
        total = tl.load(b + place, mask=kept, other=0) - total
    if has_inverse:
        total = total * (tl.load(inverse + row, mask=inside, other=0) * step)[:, None]
    if has_base:
        total = total + tl.load(base + place, mask=kept, other=0)
    tl.store(out + place, total, mask=kept)


@_kernel("first_phase", "plan", "channels", "h", "w", "batch", "blank")
def gather_neighbours(
    x,
    b,
    out,
    ties,
    own,
    table,
    first_phase,
    plan,
    channels,
    h,
    w,
    batch,
    blank,
    MODE: tl.constexpr,
    TAPS: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    """A pixel of a phase from its neighbours in the others. Modes: 0 a sweep's update, 1 b - A x, 2 A x.

    ``own`` is the inverse diagonal, the diagonal, or the leak. ``table`` holds for each plan and phase the number of
    taps and then (ties, stored at the neighbour, phase, step y, step x) of each. The phase ``blank`` gets 0.
    """
    pixel = tl.program_id(0) * P + tl.arange(0, P)
    picture = tl.program_id(1).to(tl.int64)
    phase = first_phase + tl.program_id(2)
    inside = pixel < h * w
    row, column = pixel // w, pixel % w
    channel = tl.arange(0, C)
    kept = inside[None, :] & (channel < channels)[:, None]
    plane = h * w
    fields = (picture * channels + channel.to(tl.int64))[:, None] * (4 * plane)
    place = fields + phase * plane + pixel[None, :]
    tie_place = picture * 4 * plane
    row_of_table = table + (plan * 4 + phase) * (1 + 5 * TAPS)
    if MODE == 2:
        here = tl.load(x + place, mask=kept, other=0)
        total = here * tl.load(own + tie_place + phase * plane + pixel, mask=inside, other=0)[None, :]
    else:
        total = tl.load(b + place, mask=kept, other=0)
        here = total
    if MODE == 1:
        here = tl.load(x + place, mask=kept, other=0)
        total -= here * tl.load(own + tie_place + phase * plane + pixel, mask=inside, other=0)[None, :]
    for tap in range(tl.load(row_of_table)):
        entry = row_of_table + 1 + 5 * tap
        field, at_neighbour, source = tl.load(entry), tl.load(entry + 1), tl.load(entry + 2)
        dy, dx = tl.load(entry + 3), tl.load(entry + 4)
        y, z = row + dy, column + dx
        there = inside & (y >= 0) & (y < h) & (z >= 0) & (z < w)
        neighbour = y * w + z
        stored = tl.where(at_neighbour > 0, source * plane + neighbour, phase * plane + pixel)
        tie = tl.load(ties + field.to(tl.int64) * batch * 4 * plane + tie_place + stored, mask=there, other=0)
        part = tl.load(
            x + fields + source * plane + neighbour[None, :],
            mask=there[None, :] & (channel < channels)[:, None],
            other=0,
        )
        if MODE == 2:
            part = here - part
        total += tie[None, :] * part
    if MODE == 0:
        total = total * tl.load(own + tie_place + phase * plane + pixel, mask=inside, other=0)[None, :]
    if phase == blank:
        total = tl.zeros_like(total)
    tl.store(out + place, total, mask=kept)


@_kernel("nodes", "channels", "plane", "batch")
def restrict_nodes(r, masks, roots, out, nodes, channels, plane, batch, N: tl.constexpr, C: tl.constexpr):
    """Sums over the parts of cells: a node takes from its first pixel and those after it in the cell."""
    node = tl.program_id(0) * N + tl.arange(0, N)
    channel = tl.arange(0, C)
    inside, real = node < nodes, channel < channels
    root = tl.load(roots + node, mask=inside, other=0)
    picture, phase, pixel = root // (4 * plane), (root // plane) % 4, root % plane
    total = tl.zeros((N, C), dtype=out.dtype.element_ty)
    # Masks of a part that begins at phase 0, 1, 2, 3 come as 4, 3, 2 and 1 planes of all pictures.
    first = phase * 4 - phase * (phase - 1) // 2
    field = (picture[:, None] * channels + channel[None, :]) * (4 * plane) + pixel[:, None]
    for k in tl.static_range(4):
        there = inside & (phase + k < 4)
        mask = tl.load(masks + ((first + k) * batch + picture) * plane + pixel, mask=there, other=0)
        part = tl.load(r + field + (phase + k)[:, None] * plane, mask=there[:, None] & real[None, :], other=0)
        total += mask[:, None] * part
    place = node.to(tl.int64)[:, None] * channels + channel[None, :]
    tl.store(out + place, total, mask=inside[:, None] & real[None, :])


@_kernel("channels", "plane", "batch")
def prolong_nodes(x, e, masks, numbers, channels, plane, batch, P: tl.constexpr, C: tl.constexpr):
    """x += the corrections of the parts of its cell: of those that begin at its own phase or before it."""
    pixel = tl.program_id(0) * P + tl.arange(0, P)
    picture, phase = tl.program_id(1).to(tl.int64), tl.program_id(2)
    channel = tl.arange(0, C)
    inside, real = pixel < plane, channel < channels
    place = (picture * channels + channel)[:, None] * (4 * plane) + phase * plane + pixel[None, :]
    kept = inside[None, :] & real[:, None]
    total = tl.load(x + place, mask=kept, other=0)
    for start in tl.static_range(4):
        there = inside & (start <= phase)
        field = start * 4 - start * (start - 1) // 2 + phase - start
        mask = tl.load(masks + (field * batch + picture) * plane + pixel, mask=there, other=0)
        node = tl.load(numbers + (picture * 4 + start) * plane + pixel, mask=there, other=0).to(tl.int64)
        part = tl.load(e + node[None, :] * channels + channel[:, None], mask=there[None, :] & real[:, None], other=0)
        total += mask[None, :] * part
    tl.store(x + place, total, mask=kept)
