"""Gram transfer: colors that bring the Gram matrices of a network's activations to those of the references."""

from recolor_torch.methods.gram.method import GramTransfer, Problem

__all__ = ["GramTransfer", "Problem"]
