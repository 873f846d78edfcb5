"""Gram transfer: colors that bring the Gram matrices of a network's activations to those of the references."""

from recolor_torch.methods.gram.method import GramTransfer
from recolor_torch.methods.gram.solver import Problem

__all__ = ["GramTransfer", "Problem"]
