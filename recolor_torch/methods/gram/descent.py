"""Running an optimiser on a picture until it no longer gains, at one size."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

from recolor_torch.methods.gram.lbfgs import ProjectedAdam, ProjectedLBFGS
from recolor_torch.methods.gram.objective import Evaluation
from recolor_torch.methods.gram.region import ConvexSet

Algorithm = Literal["lbfgs", "adam"]
OnStep = Callable[[int, float, Tensor], None]
"""Told the number of steps, the loss after the last one (before it, for Adam), and the variable."""

WINDOW = 10
"""Steps over which the relative decrease of the loss is measured."""


class Objective(Protocol):
    """What is minimised."""

    def evaluate(self, image: Tensor, low_precision: bool | None = None) -> Evaluation:
        """Losses of an sRGB picture and their gradient."""
        ...


class Descent(NamedTuple):
    """Where a descent ended, and its loss after each step (before each, for Adam)."""

    variable: Tensor
    losses: list[float]
    evaluations: int


def make_closure(
    objective: Objective, region: ConvexSet, variable: nn.Parameter, seen: Callable[[Evaluation], None] | None = None
) -> Callable[[], Tensor]:
    """The closure of an optimiser: sets the gradient of ``variable`` and returns the loss."""

    def closure() -> Tensor:
        evaluation = objective.evaluate(region.to_rgb(variable.detach()))
        variable.grad = region.pull_back(evaluation.gradient).contiguous()
        if seen is not None:
            seen(evaluation)
        return evaluation.total

    return closure


def descend(
    objective: Objective,
    region: ConvexSet,
    start: Tensor,
    steps: int,
    optimizer: Callable[[nn.Parameter, ConvexSet], ProjectedLBFGS | ProjectedAdam],
    tolerance: float = 0.0,
    on_step: OnStep | None = None,
) -> Descent:
    """Minimise from the variable ``start``.

    Args:
        objective: what is minimised.
        region: where the variable may go.
        start: a variable of the region.
        steps: most steps.
        optimizer: makes the optimiser of a variable of a region.
        tolerance: end where ten steps lower the loss by less than this share of it.
        on_step: called after each step.
    """
    variable = nn.Parameter(region.project(start).contiguous())
    steps_of = optimizer(variable, region)
    evaluations = 0

    def count(_: Evaluation) -> None:
        nonlocal evaluations
        evaluations += 1

    closure = make_closure(objective, region, variable, count)
    losses: list[float] = []
    for i in range(steps):
        losses.append(float(steps_of.step(closure)))
        if on_step is not None:
            on_step(i + 1, losses[-1], variable.detach())
        if has_ended(losses, tolerance) or steps_of.state[variable].get("converged", False):
            break
    return Descent(variable.detach(), losses, evaluations)


def has_ended(losses: list[float], tolerance: float) -> bool:
    """Whether the last ten steps lowered the loss by less than the share ``tolerance``."""
    return tolerance > 0 and len(losses) > WINDOW and losses[-1] > losses[-1 - WINDOW] * (1 - tolerance)
