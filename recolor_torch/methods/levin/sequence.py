"""Color for the frames of a clip: hints on a few, carried along the motion through the others."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from recolor_torch.checks import check_image, check_mask
from recolor_torch.filters.motion import optical_flow, warp

# Ties in time against ties in space of at most 1.
TIME_WEIGHT = 0.3
# Difference of luminance, after motion, at which a tie in time weakens.
TIME_SIGMA = 0.03
# Trust in carried color fades with this pull: over about 1 / sqrt(pull) pixels of flat ground from a hint ...
TRUST_PULL = 1e-3
# ... and by this factor a frame, so that the nearer of two hinted frames counts more.
TRUST_FADE = 0.95
# What is tied to no hint is carried a little nonetheless: leaks should not flicker.
LEAST_TRUST = 0.05

Solve = Callable[[Tensor, Tensor, Tensor, Tensor | None, Tensor | None, float | None], Tensor]


@dataclass(frozen=True)
class Carried:
    """What a frame hands to the next.

    Args:
        luminance: (1, 1, H, W).
        chroma: (1, 2, H, W).
        trust: how strongly each pixel's chroma is tied to a hint, (1, 1, H, W) in [0, 1].
    """

    luminance: Tensor
    chroma: Tensor
    trust: Tensor


def spread_in_time(
    luminance: Tensor, hints: Tensor, mask: Tensor, solve: Solve, before: Carried | None = None
) -> tuple[Tensor, Carried]:
    r"""Chroma of a window of frames from hints on some of them.

    .. math:: E = \sum_t E_\text{space}(u_t) + \sum_t \sum_r C_t(r) \big(u_t(r) - u_{t-1}(r + d_t(r))\big)^2

    with the motion d from ``optical_flow`` and C larger where luminance agrees along it and where the
    carried chroma is tied to a hint. E is brought down by two passes, one forward in time and one
    backward, in which the other frame's chroma is a prior with confidence C; a pixel's result is the
    mean of both by their trust. So the colors of two hinted frames fade into each other between them.

    Args:
        luminance: frames in order, (T, 1, H, W).
        hints: chroma, (T, 2, H, W), read where ``mask`` is over one half.
        mask: (T, 1, H, W); frames may be without.
        solve: chroma of one frame from (luminance, hints, mask, prior, confidence, pull).
        before: what the last window handed on.

    Returns:
        Chroma, (T, 2, H, W), exact at hints; and what the next window needs.

    Raises:
        ValueError: neither a frame nor ``before`` has color.
    """
    check_image(luminance, "luminance", channels=1)
    check_image(hints, "hints", channels=2)
    check_mask(mask, "mask", luminance)
    frames = len(luminance)
    hinted = (mask > 0.5).flatten(1).any(1).tolist()
    if before is None and not any(hinted):
        raise ValueError("A clip needs hints, got none for its first frames.")
    data = luminance, hints.expand(frames, -1, -1, -1), mask.expand(frames, -1, -1, -1), hinted
    forward = _pass(*data, range(frames), solve, before)
    last = forward[frames - 1]
    assert last is not None
    # Where nothing comes back from later frames, the forward pass is the result.
    backward = _pass(*data, range(frames - 1, -1, -1), solve, None) if any(hinted[1:]) or before is None else {}
    out = [_blend(forward.get(t), backward.get(t)) for t in range(frames)]
    return torch.cat(out), last


def _pass(
    luminance: Tensor,
    hints: Tensor,
    mask: Tensor,
    hinted: list[bool],
    order: Iterable[int],
    solve: Solve,
    carried: Carried | None,
) -> dict[int, Carried | None]:
    """Chroma and trust of the frames in ``order``, each from its own hints and the frame before in that order."""
    found: dict[int, Carried | None] = {}
    for t in order:
        here, given, known = luminance[t : t + 1], hints[t : t + 1], mask[t : t + 1]
        if carried is not None or hinted[t]:
            carried = _frame(here, given, known, carried, solve)
        found[t] = carried
    return found


def _frame(here: Tensor, given: Tensor, known: Tensor, carried: Carried | None, solve: Solve) -> Carried:
    if carried is None:
        chroma = solve(here, given, known, None, None, None)
        trust = solve(here, torch.ones_like(here), known, None, None, TRUST_PULL)
        return Carried(here, chroma, trust.clamp(0, 1))
    moved, match = _follow(here, carried)
    prior, prior_trust = moved[:, :2], moved[:, 2:].clamp(0, 1) * TRUST_FADE
    confidence = TIME_WEIGHT * match * prior_trust.clamp(min=LEAST_TRUST)
    chroma = solve(here, given, known, prior, confidence, None)
    ones = torch.ones_like(here)
    trust = solve(here, ones, known, prior_trust, TIME_WEIGHT * match, TRUST_PULL)
    return Carried(here, chroma, trust.clamp(0, 1))


def _follow(here: Tensor, carried: Carried) -> tuple[Tensor, Tensor]:
    """Chroma and trust of the other frame along the motion, and how well the luminance agrees."""
    flow = optical_flow(here, carried.luminance)
    moved, inside = warp(torch.cat((carried.chroma, carried.trust, carried.luminance), 1), flow)
    gap = (moved[:, 3:] - here) / TIME_SIGMA
    return moved[:, :3], torch.exp(-0.5 * gap.square()) * inside


def _blend(forward: Carried | None, backward: Carried | None) -> Tensor:
    if forward is None or backward is None:
        found = forward or backward
        assert found is not None
        return found.chroma
    a, b = forward.trust + 1e-3, backward.trust + 1e-3
    # The mean of two equal colors is that color only up to rounding: hints stay exact.
    mean = torch.lerp(forward.chroma, backward.chroma, b / (a + b))
    return torch.where(forward.chroma == backward.chroma, forward.chroma, mean)
