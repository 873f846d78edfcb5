"""Levin propagation for hints that a person is still painting: ``spread_chroma`` that remembers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.linalg.linear_system import GridSystem, Solution
from recolor_torch.linalg.live import LiveSolver
from recolor_torch.methods.levin.method import spread_chroma

# A solver serves masses whose mean is within this factor of the mean of its own.
LIKE_MASS = 4.0
# Solvers that are kept; the one that was made first goes.
MOST_SOLVERS = 3
# Steps after which a solve is given up and done afresh.
MOST_STEPS = 40


class Cancelled(Exception):
    """A solve that was stopped because nobody wants its answer any more."""


@dataclass
class _Entry:
    """A solver, its last solution, and the coarser solution that was known then."""

    solver: LiveSolver
    mass: float
    x: Tensor | None = None
    seen: Tensor | None = None


class LiveSpread:
    """Stands in for ``spread_chroma`` on one picture: ties and hierarchies are kept, solves start from the last one.

    Its answer is that of ``spread_chroma`` to within the tolerance.

    Args:
        luminance: (1, 1, H, W), [0, 1], on the CPU.
        coarser: the same for a smaller copy of the picture, solved before this one: what changed there since the last
            solve is added to the start.
    """

    def __init__(self, luminance: Tensor, coarser: "LiveSpread | None" = None) -> None:
        self.luminance, self.coarser = luminance, coarser
        self.entries: list[_Entry] = []
        self.base: GridSystem | None = None
        self.tolerance = 0.5
        self.cancelled: Callable[[], bool] | None = None
        self.turn = 0

    def begin(self, tolerance: float = 0.5, cancelled: Callable[[], bool] | None = None) -> None:
        """Announce an evaluation: the solves of each are told apart by their order.

        Args:
            tolerance: largest error of each solve, in 8-bit levels of chroma.
            cancelled: asked between steps; when it says true, ``Cancelled`` is raised.
        """
        self.tolerance, self.cancelled, self.turn = tolerance, cancelled, 0

    def __call__(
        self,
        luminance: Tensor,
        hints: Tensor,
        mask: Tensor,
        *,
        prior: Tensor | None = None,
        confidence: Tensor | None = None,
        tolerance: float = 0.5,
    ) -> Tensor:
        """As ``spread_chroma`` with its default settings; ``tolerance`` is that of ``begin`` where that is larger."""
        if luminance.shape != self.luminance.shape:
            raise ValueError("LiveSpread was made for another picture.")
        system = self._system(hints, mask, prior, confidence)
        entry = self._entry(system)
        below = self._coarser_solution()
        start = self._start(entry, below)
        found = self._solve(entry, system, start, max(tolerance, self.tolerance))
        if found is None:
            return spread_chroma(luminance, hints, mask, prior=prior, confidence=confidence, tolerance=tolerance)
        entry.x, entry.seen = found.x, below
        self.turn += 1
        return found.x

    def _system(self, hints: Tensor, mask: Tensor, prior: Tensor | None, confidence: Tensor | None) -> GridSystem:
        if self.base is None:
            none = torch.zeros_like(self.luminance)
            self.base = LevinEnergy(self.luminance, none.expand(-1, 2, -1, -1), none).system()
        base = self.base
        mass, source = base.mass, torch.zeros_like(hints)
        if prior is not None and confidence is not None:
            mass, source = mass + confidence, confidence * prior
        return replace(base, mass=mass, source=source, fixed=mask > 0.5, values=hints)

    def _entry(self, system: GridSystem) -> _Entry:
        mean = float(system.mass.mean())
        for i, entry in enumerate(self.entries):
            if i >= self.turn and mean < LIKE_MASS * entry.mass and entry.mass < LIKE_MASS * mean:
                self.entries.insert(self.turn, self.entries.pop(i))
                return entry
        entry = _Entry(LiveSolver(system), mean)
        self.entries.insert(self.turn, entry)
        del self.entries[MOST_SOLVERS:]
        return entry

    def _coarser_solution(self) -> Tensor | None:
        entries = self.coarser.entries if self.coarser is not None else []
        return entries[self.turn].x if self.turn < len(entries) else None

    def _start(self, entry: _Entry, below: Tensor | None) -> Tensor | None:
        if below is None or below is entry.seen:
            return entry.x
        change = below if entry.x is None or entry.seen is None else below - entry.seen
        change = F.interpolate(change, size=self.luminance.shape[-2:], mode="bilinear", align_corners=False)
        return change if entry.x is None or entry.seen is None else entry.x + change

    def _solve(self, entry: _Entry, system: GridSystem, start: Tensor | None, tolerance: float) -> Solution | None:
        found = entry.solver.solve(system, tolerance / 255, start, MOST_STEPS, self.cancelled)
        if found.converged:
            return found
        if self.cancelled is not None and self.cancelled():
            if bool(found.x.isfinite().all()):
                entry.x = found.x
            raise Cancelled
        return None
