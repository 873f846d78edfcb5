"""Color from scribbles: chroma spreads from hints along like luminance (Levin, Lischinski, Weiss 2004)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from recolor_torch.checks import check_choice, check_image, check_mask, check_same_size, one_or_many
from recolor_torch.energies.levin import Form, LevinEnergy, WeightRule
from recolor_torch.energies.neighbor_weights import Kernel
from recolor_torch.guide import Guide
from recolor_torch.linalg.linear_system import NotConverged, Solution
from recolor_torch.linalg.solve import solve
from recolor_torch.methods.base import FilmParts, Recolorizer
from recolor_torch.methods.levin.sequence import Carried, spread_in_time
from recolor_torch.precision import HALF, in_float32, widened

Spread = Callable[..., Tensor]
"""``spread_chroma``, or what stands in for it: luminance, hints and mask, with prior, confidence and tolerance."""


@one_or_many
def spread_chroma(
    luminance: Tensor,
    hints: Tensor,
    mask: Tensor,
    *,
    tolerance: float = 0.5,
    **settings: Any,
) -> Tensor:
    """Spread the chroma of hints over a picture; ``LevinEnergy`` has the formulas.

    Args:
        luminance: (B, 1, H, W) in [0, 1].
        hints: chroma, (B or 1, 2, H, W), read where ``mask`` is over one half; it comes back there exactly.
        mask: (B or 1, 1, H, W).
        tolerance: largest error of the solve, in 8-bit levels of chroma.
        settings: of ``LevinEnergy``: form, neighbours, weights, sigma, kernel, smoothing, kappa, floor,
            prior, confidence, pull.

    Returns:
        Chroma, (B, 2, H, W). Where no hint reaches it is neutral, or the prior.

    Raises:
        NotConverged: the solve failed; the message says by how much.
        ValueError: a shape is wrong, or values are not finite.
    """
    if luminance.dtype in HALF:
        wide = {name: widened(value) for name, value in settings.items()}
        spread = partial(spread_chroma, tolerance=tolerance, **wide)
        return in_float32(spread, luminance, hints, mask)
    energy = LevinEnergy(luminance, hints, mask, **settings)
    # A prior is near what comes of it.
    start = None if energy.prior is None else energy.prior.expand(len(luminance), -1, -1, -1)
    return checked(solve(energy, atol=tolerance / 255, start=start), tolerance)


def checked(solution: Solution, tolerance: float) -> Tensor:
    """The solution's ``x``, or ``NotConverged``.

    Args:
        solution: what a solve returned.
        tolerance: the error that was allowed, in 8-bit levels.
    """
    if not solution.converged:
        raise NotConverged(
            f"The solve did not converge: after {solution.steps} steps ({solution.method}) its error is about "
            f"{255 * solution.error:.3g} levels of 255, and {tolerance:g} was allowed. A region without hints is held "
            "by floor, pull and confidence: raise them where they are tiny."
        )
    return solution.x


MOST_WEIGHT = 1e6
"""Largest weight of floor and pull: ties and hints weigh about 1, so more changes nothing."""


class LevinColorization(Recolorizer):
    """Spread the colors of hints: neighbours of like luminance get like color.

    Pixels with a hint have its chroma exactly. A prior in the guide pulls the others, by its confidence.

    Args:
        form: the equations: laplacian (symmetric, fast), levin (those of Levin et al.), or report (its eq. 9).
        weights: global (one sigma for the picture), local (the variance around each pixel), or report (that squared).
        neighbours: 4 or 8.
        sigma: for global weights, the difference of luminance (of 1) at which a tie weakens.
        kernel: how a tie weakens, for global weights: laplace, by exp(-difference / sigma), or gauss.
        smoothing: pixels of the Gauss filter on the luminance that global weights see: grain is no edge; 0 for none.
        kappa: for local weights, how much difference a tie bears: 2 by the formula, 0.6 in the authors' script.
        floor: for global weights, the tie that every pair keeps.
        pull: pull to neutral, which colors what no hint reaches.
        tolerance: largest error of the solve, in 8-bit levels of chroma.
        sequence: the pictures of a batch are the frames of a clip in order, batch after batch: hints on some of
            them are carried along the motion through the others.
    """

    space = "yuv"
    needs = ("hints",)
    bytes_per_pixel = 300
    # Larger pictures are solved at this size unless the user names another: at 4 megapixels, chroma solved at
    # half of the side and enlarged was as near to the truth as chroma solved in full, and six times as fast; at 6.5,
    # solved at 1536 it was as near as solved at 2048, in 0.56 of the memory.
    largest_side: ClassVar[int | None] = 1536

    def __init__(
        self,
        form: Form = "laplacian",
        weights: WeightRule = "global",
        neighbours: int = 8,
        sigma: float = 0.005,
        kernel: Kernel = "laplace",
        smoothing: float = 1.4,
        kappa: float = 2.0,
        floor: float = 1e-4,
        pull: float = 1e-6,
        tolerance: float = 0.5,
        sequence: bool = False,
    ) -> None:
        super().__init__()
        self.whole_batches = sequence  # a clip
        for name, value in (("sigma", sigma), ("kappa", kappa), ("tolerance", tolerance)):
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} must be more than 0, got {value:g}.")
        for name, value in (("floor", floor), ("pull", pull)):
            if not 0 <= value <= MOST_WEIGHT:
                raise ValueError(f"{name} must be 0 to {MOST_WEIGHT:g}, got {value:g}.")
        if smoothing != 0 and not 0.1 <= smoothing <= 100:
            raise ValueError(f"smoothing must be 0 or 0.1 to 100 pixels, got {smoothing:g}.")
        check_choice(kernel, "kernel", ("laplace", "gauss"))
        if neighbours not in (4, 8):
            raise ValueError(f"neighbours must be 4 or 8, got {neighbours}.")
        self.form, self.weights, self.neighbours = form, weights, neighbours
        self.sigma, self.kernel, self.smoothing = sigma, kernel, smoothing
        self.kappa, self.floor = kappa, floor
        self.pull, self.tolerance, self.sequence = pull, tolerance, sequence
        self.carried: Carried | None = None

    def require(self, guide: Guide) -> None:
        """Hints are needed, but for a clip whose earlier frames had some: their color is carried on."""
        if not self.sequence or self.carried is None:
            super().require(guide)

    def forward(self, image: Tensor, guide: Guide) -> Tensor:
        """Color ``image``, YUV (B, 3, H, W), of which luminance alone is read; returns YUV."""
        self.require(guide)
        check_image(image, "image", channels=3)
        if self.sequence:
            return torch.cat((image[:, :1], self._spread_in_time(image, guide)), 1)
        hints, mask = given(image, guide)
        prior, confidence = guide.prior, guide.confidence
        chroma = spread_chroma(image[:, :1], hints[:, 1:], mask, prior=prior, confidence=confidence, **self._energy())
        return torch.cat((image[:, :1], chroma), 1)

    def film_parts(self) -> FilmParts:
        """Strokes spread over frames."""
        return FilmParts(spreads=True)

    def reset(self) -> None:
        """Forget the clip: the next batch opens another one."""
        self.carried = None

    def _energy(self) -> dict[str, Any]:
        return {name: value for name, value in self.settings().items() if name != "sequence"}

    def _spread_in_time(self, image: Tensor, guide: Guide) -> Tensor:
        if guide.hints is None:
            guide = replace(guide, hints=torch.zeros_like(image), hint_mask=torch.zeros_like(image[:, :1]))
        hints, mask = given(image, guide, all_pictures=False)
        before = self.carried
        if before is not None and before.luminance.shape[-2:] != image.shape[-2:]:
            before = None
        settings = self._energy()

        def solve(
            luminance: Tensor,
            values: Tensor,
            known: Tensor,
            prior: Tensor | None,
            confidence: Tensor | None,
            pull: float | None,
        ) -> Tensor:
            own = settings if pull is None else {**settings, "pull": pull}
            return spread_chroma(luminance, values, known, prior=prior, confidence=confidence, **own)

        chroma, self.carried = spread_in_time(image[:, :1], hints[:, 1:], mask, solve, before)
        return chroma


def given(image: Tensor, guide: Guide, all_pictures: bool = True) -> tuple[Tensor, Tensor]:
    """Hints and their mask, checked against ``image``; every picture must have some, or the guide a prior."""
    hints, mask = guide.hints, guide.hint_mask
    assert hints is not None
    assert mask is not None
    check_image(hints, "hints", channels=3)
    check_same_size(hints, "hints", image)
    check_mask(mask, "hint_mask", image)
    if all_pictures and guide.prior is None and not bool((mask > 0.5).flatten(1).any(1).all()):
        raise ValueError("Every picture needs hints, got none for one: its hint_mask is nowhere over one half.")
    return hints, mask
