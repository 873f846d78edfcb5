"""LightningModules: prediction with any method, and Gram transfer step by step."""

from recolor_torch.lit.gram import GramTransferModule, Snapshots, TransferData
from recolor_torch.lit.predict import RecolorModule

__all__ = ["GramTransferModule", "RecolorModule", "Snapshots", "TransferData"]
