"""The solver that follows hints while they are painted, against solves from scratch."""

from dataclasses import replace

import pytest
import torch

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.linalg.linear_system import GridSystem
from recolor_torch.linalg.live import LiveSolver
from recolor_torch.linalg.solve import solve

HALF_A_LEVEL = 0.5 / 255


def picture(height: int = 90, width: int = 120, seed: int = 0) -> torch.Tensor:
    """Luminance with flat parts, a ramp, sharp edges and some grain."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.linspace(0.2, 0.8, width).expand(height, width).clone()
    y[20:50, 30:80] = 0.9
    y[60:, 10:60] = 0.1
    y += 0.004 * torch.randn(height, width, generator=generator)
    return y.clamp(0, 1)[None, None]


def base_system(luminance: torch.Tensor, trust: float = 1e-4) -> GridSystem:
    none = torch.zeros_like(luminance)
    prior = 0.1 * torch.ones_like(luminance).expand(-1, 2, -1, -1)
    confidence = torch.full_like(luminance, trust)
    return LevinEnergy(luminance, none.expand(-1, 2, -1, -1), none, prior=prior, confidence=confidence).system()


def painted(system: GridSystem, strokes: list[tuple[slice, slice, float]]) -> GridSystem:
    fixed, values = torch.zeros_like(system.fixed), torch.zeros_like(system.values)
    for rows, columns, color in strokes:
        fixed[..., rows, columns] = True
        values[:, 0, rows, columns], values[:, 1, rows, columns] = color, -color
    return replace(system, fixed=fixed, values=values)


class _Given:
    """A system as an energy, so that ``solve`` takes it."""

    def __init__(self, system: GridSystem) -> None:
        self._system = system

    def system(self) -> GridSystem:
        return self._system

    def restore(self, x: torch.Tensor) -> torch.Tensor:
        return x


def fresh(system: GridSystem) -> torch.Tensor:
    return solve(_Given(system), method="direct").x


STROKES = [
    (slice(30, 33), slice(40, 70), 0.3),
    (slice(70, 73), slice(20, 50), -0.2),
    (slice(5, 8), slice(5, 100), 0.1),
    (slice(40, 90), slice(100, 102), -0.3),
]


def test_every_stroke_on_and_off_again_is_a_fresh_solve_to_half_a_level():
    system = base_system(picture())
    live, x = LiveSolver(system), None
    sets = [STROKES[:n] for n in (0, 1, 2, 3, 4, 3, 1, 0)] + [STROKES[1:3]]
    for strokes in sets:
        now = painted(system, strokes)
        found = live.solve(now, HALF_A_LEVEL, x)
        assert found.converged
        assert (found.x - fresh(now)).abs().max() < HALF_A_LEVEL
        torch.testing.assert_close(found.x[now.fixed.expand_as(found.x)], now.values[now.fixed.expand_as(found.x)])
        x = found.x


def test_the_last_solution_saves_steps():
    system = base_system(picture())
    live = LiveSolver(system)
    first = live.solve(painted(system, STROKES), HALF_A_LEVEL)
    again = live.solve(painted(system, STROKES), HALF_A_LEVEL, first.x)
    assert again.steps <= 1 < first.steps


def test_steps_do_not_grow_with_changes():
    """Matrices that are changed a hundred times precondition as those that were built at once."""
    system = base_system(picture())
    live = LiveSolver(system)
    for i in range(100):
        live.solve(painted(system, [(slice(i % 80, i % 80 + 3), slice(i, i + 15), 0.2)]), 1.0)
    new = LiveSolver(system)
    last = painted(system, STROKES)
    worn, clean = live.solve(last, HALF_A_LEVEL), new.solve(last, HALF_A_LEVEL)
    assert worn.converged
    assert worn.steps <= clean.steps + 1


def test_mass_and_prior_may_change():
    system = base_system(picture())
    live = LiveSolver(system)
    ramp = torch.linspace(0.3, 3, system.mass.shape[-1])
    now = painted(system, STROKES)
    now = replace(now, mass=now.mass * ramp, source=now.source * ramp.flip(0))
    found = live.solve(now, HALF_A_LEVEL)
    assert found.converged
    assert (found.x - fresh(now)).abs().max() < HALF_A_LEVEL


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5), (33, 1), (61, 63)])
def test_odd_and_small_sizes(size):
    luminance = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1))
    system = base_system(luminance)
    fixed = torch.zeros_like(system.fixed)
    fixed[..., 0, 0] = True
    now = replace(system, fixed=fixed, values=torch.full_like(system.values, 0.25))
    found = LiveSolver(system).solve(now, HALF_A_LEVEL)
    assert found.converged
    assert (found.x - fresh(now)).abs().max() < HALF_A_LEVEL


def test_all_pixels_fixed():
    system = base_system(picture(20, 30))
    now = painted(system, [(slice(None), slice(None), 0.2)])
    live = LiveSolver(system)
    assert torch.equal(live.solve(now, HALF_A_LEVEL).x, now.values)
    back = painted(system, STROKES[2:3])
    assert (live.solve(back, HALF_A_LEVEL).x - fresh(back)).abs().max() < HALF_A_LEVEL


def test_a_cancelled_solve_stops_and_says_so():
    system = base_system(picture())
    found = LiveSolver(system).solve(painted(system, STROKES), HALF_A_LEVEL, cancelled=lambda: True)
    assert not found.converged
    assert found.steps == 0


def test_one_sided_systems_are_refused():
    luminance = picture(10, 12)
    none = torch.zeros_like(luminance)
    system = LevinEnergy(luminance, none.expand(-1, 2, -1, -1), none, form="levin", weights="local").system()
    with pytest.raises(ValueError, match="symmetric"):
        LiveSolver(system)
