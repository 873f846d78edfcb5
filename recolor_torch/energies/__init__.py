"""Energies: each gives its operator, its right-hand side and the pixels that are fixed."""

from recolor_torch.energies.levin import LevinEnergy
from recolor_torch.energies.poisson import PoissonEnergy

__all__ = ["LevinEnergy", "PoissonEnergy"]
