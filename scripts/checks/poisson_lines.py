"""Second-order Poisson merging on pictures of one row, by multigrid: does the error estimate hold?

    python -m scripts.checks.poisson_lines

Rows of 30 to 1,000 pixels with 3 % of them given, eleven of each length and weight, solved by the aggregation hierarchy
in float32, as a GPU does. A line a length and weight: how many solves say that they have converged, how many of
these are off by more than half a level of 255, and the largest error in levels, against a direct solve with refinement
(`scripts/checks/attack_solver.py`). Such a system has a condition number near N^4: the hard part is to know when
to stop. Exit code 1 where a solve is wrong and says it is right.
"""

import argparse
import sys

import numpy as np
import torch

from recolor_torch.energies.poisson import PoissonEnergy
from recolor_torch.linalg import solve
from scripts.checks.attack_solver import reference

LENGTHS = (30, 100, 300, 1000)
WEIGHTS = (1e3, 1e10)
SEEDS = 11
HALF_A_LEVEL = 0.5 / 255


def problem(length: int, weight: float, seed: int) -> PoissonEnergy:
    """A random row, with random values at 3 % of its pixels and at the first."""
    generator = torch.Generator().manual_seed(1000 * length + seed)
    target, values = torch.rand(2, 3, 1, length, generator=generator)[:, None]
    mask = (torch.rand(1, 1, 1, length, generator=generator) < 0.03).float()
    mask[..., 0] = 1
    return PoissonEnergy(target, values, mask, lam=weight, order=2)


def main() -> int:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("| pixels | lambda | solves | converged | of these wrong | largest error, levels | most steps |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    wrong_in_all = 0
    for length in LENGTHS:
        for weight in WEIGHTS:
            converged = wrong = steps = 0
            largest = 0.0
            for seed in range(SEEDS):
                energy = problem(length, weight, seed)
                found = solve(energy, method="aggregation")
                exact = reference(energy.system(), 0)
                assert exact is not None
                error = float(np.abs((found.x - energy.target)[0].double().numpy() - exact).max())
                steps = max(steps, found.steps)
                if found.converged:
                    converged += 1
                    wrong += error > HALF_A_LEVEL
                    largest = max(largest, 255 * error)
            wrong_in_all += wrong
            row = (length, f"{weight:g}", SEEDS, converged, wrong, f"{largest:.3f}", steps)
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
    return int(wrong_in_all > 0)


if __name__ == "__main__":
    sys.exit(main())
