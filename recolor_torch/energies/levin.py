"""Chroma spread from hints: neighbours of like luminance get like color (Levin, Lischinski, Weiss 2004)."""

from typing import Literal

from torch import Tensor

from recolor_torch.checks import check_batch, check_image, check_mask, check_same_size
from recolor_torch.energies.neighbor_weights import (
    Kernel,
    doubled,
    full_offsets,
    global_weights,
    half_offsets,
    local_weights,
    normalized,
    symmetrized,
)
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.stencil import Weights, differences, neighbour_sum

Form = Literal["report", "levin", "laplacian"]
WeightRule = Literal["global", "local", "report"]

# The longest side (pixels) up to which the pull to neutral is as stated; see LevinEnergy.
PULL_SIDE = 256
# Least sum of the weights of a pixel that its equation is multiplied by: a mass has to stay within float32's range.
LEAST_SUM = 1e-20


class LevinEnergy:
    r"""The chroma u that follows the hints and, elsewhere, its neighbours.

    With F u = u_r - Σ_s w_rs u_s (the rows of w sum to 1), hints fixed, prior p and confidence C:

    * ``report``: minimise |F u|² over *all* rows, hinted pixels included: (FᵀF + C) u = C p. The report's eq. 9.
    * ``levin``: F u = 0 at every unknown pixel: (F + C) u = C p. The square system of Levin et al.; with a
      prior it is a weighted mean, and no energy is claimed.
    * ``laplacian``: minimise Σ a_rs (u_r - u_s)² over pairs, a = (w_rs + w_sr) / 2: (L + C) u = C p,
      symmetric and positive definite. With ``weights="global"`` a is symmetric as it is.

    Every form is well-posed everywhere: C is at least a tiny pull to neutral, so that a region without
    hints, or a picture without any, comes out neutral. Above 256 pixels the pull falls with the square
    of the longer side, so that a picture and its enlargement get the same colors.

    Args:
        luminance: (B, 1, H, W) in [0, 1].
        hints_chroma: (B or 1, 2, H, W) (any number of channels), read where ``mask`` is over one half.
        mask: (B or 1, 1, H, W).
        form: which of the three systems.
        neighbours: 4 or 8.
        weights: "global" is one ``sigma`` for the picture, "local" is Levin's variance of each window
            with ``kappa``, "report" is local with the squared variance of the report's listing.
        sigma: for "global", the difference of luminance at which a tie weakens.
        kernel: for "global", how it weakens: "laplace" by exp(-|d| / sigma), "gauss" by exp(-d² / 2 sigma²).
        smoothing: for "global", the Gauss filter on the luminance that the ties see, in pixels; 0 for none.
        kappa: for "local" and "report": 2 by the formula, 0.6 in the authors' script, 1 in a popular port.
        floor: for "global", the weight that every pair keeps.
        prior: (B or 1, 2, H, W), a soft estimate of the chroma.
        confidence: (B or 1, 1, H, W), 0 or more: weight of the prior, against ties of at most about 1.
        pull: weight of the pull to neutral, for a picture of at most 256 pixels.

    Raises:
        TypeError: a tensor is not floating point.
        ValueError: a shape does not fit, or an unknown choice.
    """

    def __init__(
        self,
        luminance: Tensor,
        hints_chroma: Tensor,
        mask: Tensor,
        *,
        form: Form = "laplacian",
        neighbours: int = 8,
        weights: WeightRule = "global",
        sigma: float = 0.005,
        kernel: Kernel = "laplace",
        smoothing: float = 1.4,
        kappa: float = 2.0,
        floor: float = 1e-4,
        prior: Tensor | None = None,
        confidence: Tensor | None = None,
        pull: float = 1e-6,
    ) -> None:
        check_image(luminance, "luminance", 1)
        check_image(hints_chroma, "hints_chroma")
        check_same_size(hints_chroma, "hints_chroma", luminance, "luminance")
        check_batch(hints_chroma, "hints_chroma", luminance, "luminance")
        check_mask(mask, "mask", luminance, "luminance")
        if (prior is None) != (confidence is None):
            raise ValueError("A prior needs a confidence, and a confidence a prior: got only one of the two.")
        if prior is not None and confidence is not None:
            check_image(prior, "prior", hints_chroma.shape[1])
            check_same_size(prior, "prior", luminance, "luminance")
            check_batch(prior, "prior", luminance, "luminance")
            check_mask(confidence, "confidence", luminance, "luminance")
        for value, known, name in (
            (form, ("report", "levin", "laplacian"), "form"),
            (weights, ("global", "local", "report"), "weights"),
            (neighbours, (4, 8), "neighbours"),
            (kernel, ("laplace", "gauss"), "kernel"),
        ):
            if value not in known:
                raise ValueError(f"Unknown {name} {value!r}. Known: {', '.join(map(str, known))}.")
        self.luminance, self.hints_chroma, self.mask = luminance, hints_chroma, mask
        self.form, self.neighbours, self.weights = form, neighbours, weights
        self.sigma, self.kernel, self.smoothing, self.kappa, self.floor = sigma, kernel, smoothing, kappa, floor
        self.prior, self.confidence, self.pull = prior, confidence, pull

    def system(self) -> GridSystem:
        """The linear system of the form.

        For ``levin`` with ``global`` weights, each row is multiplied by the sum of its weights before they were
        normalised: the solution is the same, and the matrix is symmetric and positive definite.
        """
        ties, symmetric = self._ties()
        mass, source = self._soft()
        if self.form == "levin" and symmetric:
            scale = neighbour_sum(ties, half_offsets(self.neighbours), True).clamp_min(LEAST_SUM)
            mass, source = mass * scale, source * scale
        batch, _, height, width = self.luminance.shape
        return GridSystem(
            weights=ties,
            offsets=half_offsets(self.neighbours) if symmetric else full_offsets(self.neighbours),
            symmetric=symmetric,
            squared=self.form == "report",
            mass=mass,
            source=source,
            fixed=(self.mask > 0.5).expand(batch, 1, height, width),
            values=self.hints_chroma.expand(batch, -1, height, width),
        )

    def _ties(self) -> tuple[Weights, bool]:
        """The weights, and whether they are symmetric, each pair once."""
        if self.weights == "global":
            ties = global_weights(self.luminance, self.neighbours, self.sigma, self.floor, self.kernel, self.smoothing)
            if self.form == "report":
                return normalized(doubled(ties, self.neighbours)), False
            return ties, True
        variance: Literal["window", "report"] = "window" if self.weights == "local" else "report"
        ties = local_weights(self.luminance, self.neighbours, self.kappa, variance)
        if self.form == "laplacian":
            return symmetrized(ties, self.neighbours), True
        return ties, False

    def _soft(self) -> tuple[Tensor, Tensor]:
        """Mass and source: the pull to neutral and the prior by its confidence."""
        batch, _, height, width = self.luminance.shape
        pull = self.pull * min(1.0, PULL_SIDE / max(height, width)) ** 2
        if self.form == "report":
            pull = pull**2  # FᵀF is the square of an operator that the pull is meant for
        # One number each, seen as pictures: they cost no memory.
        mass = self.luminance.new_full((1, 1, 1, 1), pull).expand_as(self.luminance)
        source = self.luminance.new_zeros(1, 1, 1, 1).expand(batch, self.hints_chroma.shape[1], height, width)
        if self.prior is not None and self.confidence is not None:
            mass = mass + self.confidence
            source = (self.confidence * self.prior).expand_as(source)
        return mass, source

    def restore(self, x: Tensor) -> Tensor:
        """The unknown is the chroma itself."""
        return x

    def value(self, chroma: Tensor) -> Tensor:
        """The energy of ``chroma`` without prior and pull, one number an image and channel, (B, C)."""
        ties, symmetric = self._ties()
        offsets = half_offsets(self.neighbours) if symmetric else full_offsets(self.neighbours)
        rows = differences(chroma, ties, offsets, symmetric)
        if self.form == "laplacian":
            return (rows * chroma).sum((-2, -1))
        if self.form == "levin":
            if symmetric:
                rows = rows / neighbour_sum(ties, offsets, True).clamp_min(LEAST_SUM)
            rows = rows.masked_fill(self.mask > 0.5, 0)
        return rows.square().sum((-2, -1))
