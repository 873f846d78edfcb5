"""Limited-memory BFGS inside a convex region, with a line search: the loss of accepted steps never rises."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Project = Callable[[Tensor], Tensor]

SCALE_PAIRS = 10
"""Newest pairs that the scale is taken from: on two photographs a tenth and a fifth fewer evaluations than with one."""


class ProjectedLBFGS(torch.optim.Optimizer):
    r"""L-BFGS whose steps are projected onto a region and must decrease the loss.

    The direction is the compact product of Byrd, Nocedal and Schnabel, "Representations of quasi-Newton
    matrices and their use in limited memory methods" (1994), eq. 3.1, applied to the gradient without the
    components that point out of the region (as in Bertsekas, "Projected Newton methods", 1982). Directions that the
    history says nothing of have the largest scale of the last ten pairs, not that of the last one. A trial
    :math:`x_t = P(x + t d)` is accepted where :math:`f(x_t) \le f(x) + 10^{-4} g \cdot (x_t - x)`; else t shrinks by
    quadratic interpolation. Where no t serves, the history is dropped and steepest descent is tried; where
    that fails too, nothing more is to be gained at this precision and the state says ``converged``.

    ``torch.optim.LBFGS`` with clamping in its closure, as public codes for style transfer have it, neither
    knows the bounds nor checks its steps.

    ``step(closure)`` makes one accepted step. ``closure`` sets ``.grad`` and returns the loss.
    ``state[parameter]`` holds ``loss``, ``evaluations`` and ``converged``; all of the state goes through
    ``state_dict``, so a resumed run is the same run.

    Args:
        params: one parameter.
        project: the nearest point of the region; None for no bounds.
        history: pairs of steps and changes of the gradient that are kept.
        first_change: largest change of a value in a steepest-descent step.
        largest_change: largest change of a value in any step.
        backtracks: trials of a line search.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        project: Project | None = None,
        history: int = 20,
        first_change: float = 0.05,
        largest_change: float = 0.5,
        backtracks: int = 8,
    ) -> None:
        if history < 1 or backtracks < 1 or first_change <= 0 or largest_change <= 0:
            raise ValueError("history and backtracks must be 1 or more, first_change and largest_change above 0.")
        settings = {"first_change": first_change, "largest_change": largest_change, "backtracks": backtracks}
        super().__init__(params, {"history": history, **settings})
        if len(self.param_groups) != 1 or len(self.param_groups[0]["params"]) != 1:
            raise ValueError("ProjectedLBFGS takes one parameter.")
        self.project: Project = project or (lambda x: x)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One accepted step; returns its loss."""
        group = self.param_groups[0]
        parameter: Tensor = group["params"][0]
        state = self.state[parameter]
        if not state:
            state.update(loss=float(closure()), evaluations=1, converged=False, order=[], sy=[], yy=[])
            state["gradient"] = _gradient(parameter)
        x, g = parameter.detach().clone(), state["gradient"]
        while not state["converged"]:
            direction, length = self._direction(x, g, state, group)
            if self._search(closure, parameter, x, g, direction, length):
                state["gradient"] = _gradient(parameter)
                self._remember(parameter.detach() - x, state["gradient"] - g, state, group["history"])
                break
            parameter.copy_(x)
            # Without a history this was steepest descent.
            state["converged"] = not state["order"]
            state["order"] = []
        return torch.tensor(state["loss"], dtype=torch.float64)

    def _direction(self, x: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[Tensor, float]:
        """A direction of descent and how much of it to try first."""
        inside = -self._tangent(x, -g)
        if state["order"]:
            d = self._tangent(x, -_inverse_times(inside.flatten(), state).view_as(x))
            slope, largest = torch.stack(((g * d).sum(), d.abs().amax())).tolist()
            if slope < 0:
                return d, min(1.0, group["largest_change"] / max(largest, 1e-30))
            state["order"] = []
        return -inside, group["first_change"] / max(float(inside.abs().amax()), 1e-30)

    def _search(
        self,
        closure: Callable[[], Tensor],
        parameter: Tensor,
        x: Tensor,
        g: Tensor,
        direction: Tensor,
        length: float,
    ) -> bool:
        """Whether a trial along the direction was accepted; the parameter is then there."""
        state = self.state[parameter]
        f = state["loss"]
        for _ in range(self.param_groups[0]["backtracks"]):
            trial = self.project(torch.add(x, direction, alpha=length))
            expected = float((g * (trial - x)).sum())
            if expected >= 0:
                return False
            parameter.copy_(trial)
            value = float(closure())
            state["evaluations"] += 1
            if value <= f + 1e-4 * expected:
                state["loss"] = value
                return True
            curvature = value - f - expected
            best = -0.5 * expected / curvature if curvature > 0 else 0.1  # of the parabola; not a number: least
            length *= min(0.5, max(0.1, best))
        return False

    def _tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """``v`` without what would leave the region at ``x``."""
        small = 1e-3 / v.abs().amax().clamp_min(1e-30)
        ahead = x + small * v
        nearest = self.project(ahead)
        return torch.where(nearest == ahead, v, (nearest - x) / small)

    @staticmethod
    def _remember(s: Tensor, y: Tensor, state: dict[str, Any], history: int) -> None:
        s, y = s.flatten(), y.flatten()
        sy, yy = torch.stack((s @ y, y @ y)).tolist()
        if not sy > 1e-12 * yy:
            return
        if "s" not in state:
            state["s"], state["y"] = s.new_zeros(history, s.numel()), s.new_zeros(history, s.numel())
            state["sy"] = [[0.0] * history for _ in range(history)]
            state["yy"] = [[0.0] * history for _ in range(history)]
        order = state["order"]
        i = order.pop(0) if len(order) == history else next(k for k in range(history) if k not in order)
        state["s"][i], state["y"][i] = s, y
        order.append(i)
        columns = torch.stack((state["s"] @ y, state["y"] @ s, state["y"] @ y)).tolist()
        for k, (s_y, y_s, y_y) in enumerate(zip(*columns)):
            state["sy"][k][i], state["sy"][i][k] = s_y, y_s
            state["yy"][k][i] = state["yy"][i][k] = y_y


def _gradient(parameter: Tensor) -> Tensor:
    """The gradient, which a closure may overwrite at its next call."""
    assert parameter.grad is not None
    return parameter.grad.detach().clone()


def _inverse_times(q: Tensor, state: dict[str, Any]) -> Tensor:
    """The approximate inverse Hessian times ``q``: two products with the history, the rest is tiny and on the CPU."""
    order, steps, changes = state["order"], state["s"], state["y"]
    sq, yq = torch.stack((steps @ q, changes @ q)).cpu().double()[:, order]
    sy = torch.tensor(state["sy"], dtype=torch.float64)[order][:, order]
    yy = torch.tensor(state["yy"], dtype=torch.float64)[order][:, order]
    # A single pair may tell of a stiff direction alone, which the history knows by now; the others are softer.
    gamma = (sy.diagonal() / yy.diagonal())[-SCALE_PAIRS:].max()
    upper = sy.triu()
    u = torch.linalg.solve_triangular(upper, sq[:, None], upper=True)
    middle = (sy.diagonal().diag() + gamma * yy) @ u - gamma * yq[:, None]
    a = torch.linalg.solve_triangular(upper.mT, middle, upper=False)
    shares = q.new_zeros(2, len(steps))
    shares[:, order] = torch.stack((a[:, 0], -gamma * u[:, 0])).to(q)
    return float(gamma) * q + shares[0] @ steps + shares[1] @ changes


class ProjectedAdam(torch.optim.Adam):
    """Adam whose parameter is projected onto a region after each step.

    Args:
        params: one parameter.
        project: the nearest point of the region.
        lr: the step, in units of the picture.
    """

    def __init__(self, params: Iterable[Tensor], project: Project, lr: float = 0.02) -> None:
        super().__init__(params, lr=lr)
        self.project = project

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step; returns the loss before it."""
        loss = super().step(closure)
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter.copy_(self.project(parameter))
        return loss
