"""Gram transfer as a problem to be solved: what is minimised for a picture, and how, coarse to fine.

The method, its LightningModule and the benchmarks solve by this.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.checks import check_choice
from recolor_torch.color import rgb_to_luminance
from recolor_torch.features import VGG19
from recolor_torch.guide import Guide, Reference
from recolor_torch.methods.gram.descent import Algorithm, Descent, OnStep, descend
from recolor_torch.methods.gram.lbfgs import ProjectedAdam, ProjectedLBFGS
from recolor_torch.methods.gram.objective import GramObjective, LossWeights, has_fast_bfloat16
from recolor_torch.methods.gram.region import ChromaRegion, ConvexSet, RgbBox
from recolor_torch.methods.gram.start import (
    PREPARATIONS,
    STARTS,
    Preparation,
    Start,
    fit_reference,
    prepare_reference,
    start_picture,
)
from recolor_torch.methods.gram.tiles import TiledObjective

SMALLEST_SIDE = 32
"""Coarse sizes end above this shorter side: a Gram matrix of fewer positions says little."""

HISTORY_BYTES = 1 << 28
"""Most memory of the history of L-BFGS, unless four steps need more."""

OnSize = Callable[[tuple[int, int], int, float], None]
"""Told the size that is worked at, the number of steps there, and the loss after the last one."""


@dataclass(frozen=True)
class Pace:
    """How long is gone on, by which optimiser; the arguments are those of ``GramTransfer``."""

    algorithm: Algorithm = "lbfgs"
    steps: int = 40
    levels: int = 3
    coarse_steps: int = 10
    tolerance: float = 0.01
    history: int = 50
    lr: float = 0.02

    def __post_init__(self) -> None:
        check_choice(self.algorithm, "algorithm", ("lbfgs", "adam"))
        if min(self.steps, self.coarse_steps, self.levels, self.history) < 1 or self.tolerance < 0 or self.lr <= 0:
            raise ValueError(
                "steps, coarse_steps, levels and history must be 1 or more, tolerance 0 or more, lr above 0."
            )

    def history_for(self, variable: Tensor) -> int:
        """Steps that L-BFGS remembers of a variable: ``history``, or what fits into 256 MiB."""
        return max(4, min(self.history, HISTORY_BYTES // (2 * variable.numel() * variable.element_size())))

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """The sizes that are worked through, coarsest first."""
        sizes = [(height, width)]
        while len(sizes) < self.levels and min(sizes[0]) >= 2 * SMALLEST_SIDE:
            sizes.insert(0, (round(sizes[0][0] / 2), round(sizes[0][1] / 2)))
        return sizes


@dataclass(frozen=True)
class Beginning:
    """What a descent starts from, and what is made of the references first; as the arguments of ``GramTransfer``."""

    start: Start = "rank-colour"
    preparation: Preparation = "none"
    patch: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice(self.start, "start", STARTS)
        check_choice(self.preparation, "preparation", PREPARATIONS)
        if self.patch < 1:
            raise ValueError(f"patch must be 1 or more, got {self.patch}.")

    def prepared(self, reference: Reference) -> Reference:
        """A reference without what it shows, where that is asked for."""
        if self.preparation == "none":
            return reference
        if reference.mask is not None:
            raise ValueError("preparation of references does not go with a mask of theirs.")
        return replace(reference, image=prepare_reference(reference.image, self.preparation, self.patch, self.seed))

    def picture(self, target: Tensor, references: tuple[Reference, ...]) -> Tensor:
        """The picture to start from."""
        return start_picture(self.start, target, references, self.seed)


@dataclass(frozen=True)
class Problem:
    """One picture to transfer to: what is minimised, and where."""

    objective: GramObjective | TiledObjective
    region: ConvexSet
    references: tuple[Reference, ...]
    target: Tensor


@dataclass(frozen=True)
class GramSolver:
    """Problems of pictures, and their solution from the smallest size to the full one.

    Args:
        losses: what is minimised, and of which channels.
        network: gives the network on the device and in the precision of a tensor.
        pace: how long is gone on.
        beginning: what is started from.
        tile: side of the tiles in which pictures of more than six are evaluated.
        precision: of the convolutions.
    """

    losses: LossWeights
    network: Callable[[Tensor], VGG19]
    pace: Pace = Pace()
    beginning: Beginning = Beginning()
    tile: int = 256
    precision: str = "auto"

    def __post_init__(self) -> None:
        check_choice(self.precision, "precision", ("auto", "float32", "bfloat16"))
        if self.tile < 64:
            raise ValueError(f"tile must be 64 or more, got {self.tile}.")

    def problem(self, target: Tensor, references: tuple[Reference, ...], mask: Tensor | None = None) -> Problem:
        """What is minimised for a target at its own size.

        Args:
            target: sRGB, (1, 3, H, W).
            references: sRGB, one picture each; they are brought to the target's number of pixels and prepared.
            mask: pixels that count and may change, (1, 1, H, W).
        """
        height, width = target.shape[-2:]
        fitted = tuple(fit_reference(r, height * width) for r in references)
        prepared = tuple(self.beginning.prepared(r) for r in fitted)
        low = self.precision == "bfloat16" or (
            self.precision == "auto" and target.dtype == torch.float32 and has_fast_bfloat16(target.device)
        )
        parts = (self.network(target), target, prepared, self.losses, mask, low)
        tiled = height * width > 6 * self.tile**2
        objective = TiledObjective(*parts, side=self.tile) if tiled else GramObjective(*parts)
        region = ChromaRegion(rgb_to_luminance(target)) if self.losses.smooth == "chroma" else RgbBox()
        return Problem(objective, region, fitted, target)

    def problem_at(self, size: tuple[int, int], target: Tensor, guide: Guide) -> Problem:
        """``problem`` for the target of a guide at a smaller size."""
        mask = guide.target_mask
        if size != target.shape[-2:]:
            target = F.interpolate(target, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
            mask = None if mask is None else F.interpolate(mask, size, mode="area")
        return self.problem(target, guide.references, mask)

    def solve(
        self,
        problem: Problem,
        change: Tensor | None = None,
        steps: int | None = None,
        on_step: OnStep | None = None,
    ) -> Descent:
        """Minimise at one size, from the start and what a smaller size changed of it."""
        pace, start = self.pace, self.start_variable(problem, change)
        most = pace.steps if steps is None else steps
        optimizer = self.optimizer
        return descend(problem.objective, problem.region, start, most, optimizer, pace.tolerance, on_step)

    def optimizer(self, variable: torch.nn.Parameter, region: ConvexSet) -> ProjectedLBFGS | ProjectedAdam:
        """The optimiser of a variable."""
        if self.pace.algorithm == "adam":
            return ProjectedAdam([variable], region.project, self.pace.lr)
        return ProjectedLBFGS([variable], region.project, self.pace.history_for(variable))

    def from_smaller_sizes(self, target: Tensor, guide: Guide, on_step: OnSize | None = None) -> Tensor | None:
        """What the smaller sizes, worked through, change of the start; None where there is none."""
        change: Tensor | None = None
        for size in self.pace.sizes(*target.shape[-2:])[:-1]:
            problem = self.problem_at(size, target, guide)
            descent = self.solve(problem, change, self.pace.coarse_steps, _at(size, on_step))
            change = problem.region.to_rgb(descent.variable) - problem.region.to_rgb(self.start_variable(problem))
        return change

    def transfer(self, target: Tensor, guide: Guide, on_step: OnSize | None = None) -> tuple[Problem, Descent]:
        """All sizes: the problem at the full one, and its solution.

        Args:
            target: sRGB, (1, 3, H, W).
            guide: its references, in sRGB, and its mask.
            on_step: told of each step.
        """
        change = self.from_smaller_sizes(target, guide, on_step)
        size = (target.shape[-2], target.shape[-1])
        problem = self.problem_at(size, target, guide)
        return problem, self.solve(problem, change, on_step=_at(size, on_step))

    def start_variable(self, problem: Problem, change: Tensor | None = None) -> Tensor:
        """The variable to start from.

        Args:
            problem: what is minimised.
            change: of a smaller size. Enlarged and added to the start it keeps the detail that an enlarged picture
                would lack, and Gram matrices would have to regain.
        """
        picture = self.beginning.picture(problem.target, problem.references)
        if change is not None:
            picture = picture + F.interpolate(change, picture.shape[-2:], mode="bicubic", align_corners=False)
        variable = problem.region.from_rgb(picture)
        if problem.objective.mask is not None:
            still = problem.region.from_rgb(problem.target)
            variable = torch.where(problem.objective.mask > 0, variable, still)
        return variable


def _at(size: tuple[int, int], on_step: OnSize | None) -> OnStep | None:
    return None if on_step is None else lambda step, loss, _: on_step(size, step, loss)
