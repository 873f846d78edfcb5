"""Motion between two frames: phase correlation, dense optical flow, warping."""

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_image, check_same_size
from recolor_torch.precision import HALF, in_float32

# In units of squared slopes of normalized luminance: below it a window is flat, and keeps the coarser level's motion.
FLAT = 5e-5
# Pixels of the windows in which the light is normalized, the contrast (standard deviation of luminance) that grain has,
# and the contrast that a window has afterwards.
LIGHT_WINDOW, GRAIN, CONTRAST = 15, 0.03, 0.1
# Neighbors whose motion is tried, in pixels; the share of the squared difference at which it is better; and the squared
# difference to a place outside of the picture.
NEIGHBORS, MUCH_BETTER, OUTSIDE = (16, 5), 0.9, 1e3


def warp(image: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """``image`` at the places where the flow leads, bilinear; and where those lie inside of it.

    Args:
        image: (B, C, H, W).
        flow: displacement across and down in pixels, (B, 2, H, W).

    Returns:
        (B, C, H, W), with the border's values outside, and (B, 1, H, W), 1 inside, else 0.
    """
    check_image(image, "image")
    check_image(flow, "flow", channels=2)
    check_same_size(flow, "flow", image)
    height, width = image.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    warped = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped, inside[:, None].to(image)


def phase_correlation(a: Tensor, b: Tensor) -> Tensor:
    r"""The whole-pixel shift (across, down) with :math:`b(x + d) \approx a(x)`.

    Kuglin and Hines (1975): the peak of the inverse transform of the phase of the cross spectrum. A
    window takes the borders away, which are an edge of their own otherwise.

    Args:
        a: (B, 1, H, W).
        b: (B, 1, H, W).

    Returns:
        (B, 2), at most half of the size in each direction.
    """
    check_image(a, "a", channels=1)
    check_same_size(b, "b", a, "a")
    if a.dtype in HALF:
        return in_float32(phase_correlation, a, b)
    height, width = a.shape[-2:]
    rows = torch.hann_window(height + 2, periodic=False, device=a.device, dtype=a.dtype)[1:-1, None]
    window = rows * torch.hann_window(width + 2, periodic=False, device=a.device, dtype=a.dtype)[1:-1]
    spectra = [torch.fft.rfft2((x[:, 0] - x.mean((-3, -2, -1))[:, None, None]) * window) for x in (a, b)]
    cross = spectra[1] * spectra[0].conj()
    peak = torch.fft.irfft2(cross / cross.abs().clamp(min=1e-12), s=(height, width)).flatten(1).argmax(1)
    dy, dx = peak // width, peak % width
    dy = torch.where(dy > height // 2, dy - height, dy)
    dx = torch.where(dx > width // 2, dx - width, dx)
    return torch.stack((dx, dy), 1).to(a)


def optical_flow(a: Tensor, b: Tensor, steps: int = 3, window: int = 9) -> Tensor:
    r"""Dense motion d with :math:`b(x + d(x)) \approx a(x)`.

    Lucas and Kanade (1981), from coarse to fine: at each level a few steps that solve the 2 x 2
    equations of every window at once, each taken where it brings the window closer. The coarsest level
    opens with the better of no motion and ``phase_correlation``. Before that the light is normalized: each window's
    mean is taken away and its contrast made alike, because old films flicker.

    Args:
        a: luminance, (B, 1, H, W), [0, 1].
        b: luminance, (B, 1, H, W).
        steps: steps a level.
        window: side of the windows, in pixels of each level.

    Returns:
        Displacement across and down in pixels, (B, 2, H, W).
    """
    check_image(a, "a", channels=1)
    check_same_size(b, "b", a, "a")
    if a.dtype in HALF:
        return in_float32(optical_flow, a, b, steps, window)
    levels = [(_normalized(a), _normalized(b))]
    while min(levels[-1][0].shape[-2:]) >= 32:
        levels.append(tuple(F.avg_pool2d(x, 2, ceil_mode=True) for x in levels[-1]))  # type: ignore[arg-type]
    flow = _start(*levels[-1])
    for fine_a, fine_b in reversed(levels):
        flow = _refine(fine_a, fine_b, _enlarge(flow, fine_a), steps, window)
    return flow


def refine_flow(a: Tensor, b: Tensor, flow: Tensor, steps: int = 2, window: int = 9) -> tuple[Tensor, Tensor]:
    """A motion that is nearly known, brought closer; a place that has lost its way takes that of a neighbor.

    Errors of a motion that was put together from many do not stay: each pixel is compared with its place in ``b``.
    Where the motion of a pixel some way off fits much better it is taken, as in Barnes et al., "PatchMatch" (2009): so
    a ground that something has passed over is found again. Then come steps at the finest level.

    Args:
        a: luminance, (B, 1, H, W), [0, 1].
        b: luminance, (B, 1, H, W).
        flow: from ``a`` to ``b``, (B, 2, H, W), a few pixels off at most, or lost.
        steps: as for :func:`optical_flow`.
        window: side of the windows in pixels.

    Returns:
        The motion, and what is left between the windows: the root of the mean square difference of luminance as a share
        of the contrast, (B, 1, H, W); about 1 for unrelated things, and large outside of ``b``.
    """
    check_image(a, "a", channels=1)
    check_same_size(b, "b", a, "a")
    check_image(flow, "flow", channels=2)
    check_same_size(flow, "flow", a, "a")
    if a.dtype in HALF:
        found, left = refine_flow(a.float(), b.float(), flow.float(), steps, window)
        return found.to(a.dtype), left.to(a.dtype)
    a, b = _normalized(a), _normalized(b)
    best = _miss(a, b, flow, window)
    for reach in NEIGHBORS:
        for down, across in ((0, reach), (0, -reach), (reach, 0), (-reach, 0)):
            tried = _shifted(flow, down, across)
            miss = _miss(a, b, tried, window)
            better = miss < MUCH_BETTER * best
            flow, best = torch.where(better, tried, flow), torch.where(better, miss, best)
    flow = _refine(a, b, flow, steps, window)
    return flow, _miss(a, b, flow, window).sqrt() / CONTRAST


def _miss(a: Tensor, b: Tensor, flow: Tensor, window: int) -> Tensor:
    moved, inside = warp(b, flow)
    return _box((moved - a).square(), window) + (1 - inside) * OUTSIDE


def _shifted(x: Tensor, down: int, across: int) -> Tensor:
    """What lies so many pixels further down and across; at the borders the last that there is."""
    rows, columns = (
        (torch.arange(n, device=x.device) + d).clamp(0, n - 1) for n, d in zip(x.shape[-2:], (down, across))
    )
    return x[..., rows, :][..., columns]


def _normalized(x: Tensor) -> Tensor:
    """Luminance without what a change of the light, or of the exposure, does to a window of it."""
    detail = x - _box(x, LIGHT_WINDOW)
    return CONTRAST * detail / (_box(detail.square(), LIGHT_WINDOW) + GRAIN**2).sqrt()


def _refine(a: Tensor, b: Tensor, flow: Tensor, steps: int, window: int) -> Tensor:
    """Steps at one level, each taken where it brings the windows closer."""
    moved, inside = warp(b, flow)
    miss = _box((moved - a).square(), window)
    for _ in range(steps):
        tried = _box(flow + _step(a, moved, inside, window), 3)
        moved_tried, inside_tried = warp(b, tried)
        miss_tried = _box((moved_tried - a).square(), window)
        better = miss_tried < miss
        flow, miss = torch.where(better, tried, flow), torch.where(better, miss_tried, miss)
        moved, inside = torch.where(better, moved_tried, moved), torch.where(better, inside_tried, inside)
    return flow


def _start(a: Tensor, b: Tensor) -> Tensor:
    shift = phase_correlation(a, b)[..., None, None].expand(-1, -1, *a.shape[-2:])
    still = torch.zeros_like(shift)

    def miss(flow: Tensor) -> Tensor:
        moved, inside = warp(b, flow)
        total = ((moved - a).abs() * inside).sum((-3, -2, -1), keepdim=True)
        return total / inside.sum((-3, -2, -1), keepdim=True).clamp(min=1)

    return torch.where(miss(shift) < miss(still), shift, still)


def _enlarge(flow: Tensor, like: Tensor) -> Tensor:
    height, width = like.shape[-2:]
    if flow.shape[-2:] == like.shape[-2:]:
        return flow
    # Levels are halved with the last row or column left over, so the scale is 2 whatever the sizes.
    large = F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
    return 2 * large[..., :height, :width]


def _step(a: Tensor, moved: Tensor, inside: Tensor, window: int) -> Tensor:
    mean = F.pad((a + moved) / 2, (1, 1, 1, 1), mode="replicate")
    gx = (mean[..., 1:-1, 2:] - mean[..., 1:-1, :-2]) / 2 * inside
    gy = (mean[..., 2:, 1:-1] - mean[..., :-2, 1:-1]) / 2 * inside
    gap = moved - a
    xx, xy, yy, xt, yt = _box(torch.cat((gx * gx, gx * gy, gy * gy, gx * gap, gy * gap), 1), window).split(1, 1)
    xx, yy = xx + FLAT, yy + FLAT
    det = xx * yy - xy * xy
    return torch.cat(((xy * yt - yy * xt) / det, (xy * xt - xx * yt) / det), 1).clamp(-1, 1)


def _box(x: Tensor, window: int) -> Tensor:
    """Twice a box, which is nearly round; at the borders the mean of what there is.

    Sums of shifted copies, doubled by turns: on a CPU they take a fifth of the time of pooling or convolution.
    """
    for dim in (-1, -2):
        share = 1 / _sums(x.new_ones(x.shape[dim]), window, -1)
        share = share if dim == -1 else share[:, None]
        x = _sums(_sums(x, window, dim) * share, window, dim) * share
    return x


def _sums(x: Tensor, window: int, dim: int) -> Tensor:
    """The sum of ``window`` values around each place along a dimension, with nothing past the borders."""
    half, size = window // 2, x.shape[dim]
    power = F.pad(x, (half, half) if dim == -1 else (0, 0, half, half))
    total, start, width = None, 0, 1
    while window:
        if window & 1:
            part = power.narrow(dim, start, size)
            total = part if total is None else total + part
            start += width
        window >>= 1
        if window:
            reach = power.shape[dim] - width
            power = power.narrow(dim, 0, reach) + power.narrow(dim, width, reach)
            width *= 2
    assert total is not None
    return total
