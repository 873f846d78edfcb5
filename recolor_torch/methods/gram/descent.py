"""Running an optimiser on a picture until it no longer gains, at one size."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

from recolor_torch.checks import check_choice
from recolor_torch.methods.gram.lbfgs import ProjectedAdam, ProjectedLBFGS
from recolor_torch.methods.gram.objective import Evaluation
from recolor_torch.methods.gram.region import Region

Algorithm = Literal["lbfgs", "adam"]
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


def make_optimizer(
    algorithm: Algorithm, variable: nn.Parameter, region: Region, history: int = 20, lr: float = 0.02
) -> ProjectedLBFGS | ProjectedAdam:
    """The optimiser called ``algorithm`` for a variable of ``region``."""
    check_choice(algorithm, "algorithm", ("lbfgs", "adam"))
    if algorithm == "adam":
        return ProjectedAdam([variable], region.project, lr)
    return ProjectedLBFGS([variable], region.project, history)


def make_closure(
    objective: Objective, region: Region, variable: nn.Parameter, seen: Callable[[Evaluation], None] | None = None
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
    region: Region,
    start: Tensor,
    steps: int,
    algorithm: Algorithm = "lbfgs",
    tolerance: float = 0.0,
    history: int = 20,
    lr: float = 0.02,
    on_step: Callable[[int, float], None] | None = None,
) -> Descent:
    """Minimise from the variable ``start``.

    Args:
        objective: what is minimised.
        region: where the variable may go.
        start: a variable of the region.
        steps: most steps.
        algorithm: ``lbfgs`` or ``adam``.
        tolerance: end where ten steps lower the loss by less than this share of it.
        history: of L-BFGS.
        lr: of Adam.
        on_step: called with the number of steps and the loss after each.
    """
    variable = nn.Parameter(region.project(start).contiguous())
    optimizer = make_optimizer(algorithm, variable, region, history, lr)
    evaluations = 0

    def count(_: Evaluation) -> None:
        nonlocal evaluations
        evaluations += 1

    closure = make_closure(objective, region, variable, count)
    losses: list[float] = []
    for i in range(steps):
        losses.append(float(optimizer.step(closure)))
        if on_step is not None:
            on_step(i + 1, losses[-1])
        if has_ended(losses, tolerance) or optimizer.state[variable].get("converged", False):
            break
    return Descent(variable.detach(), losses, evaluations)


def has_ended(losses: list[float], tolerance: float) -> bool:
    """Whether the last ten steps lowered the loss by less than the share ``tolerance``."""
    return tolerance > 0 and len(losses) > WINDOW and losses[-1] > losses[-1 - WINDOW] * (1 - tolerance)
