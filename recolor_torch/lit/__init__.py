"""LightningModules: prediction with any method, and Gram transfer step by step."""

from recolor_torch.lit.datamodule import PictureDataModule
from recolor_torch.lit.gram import GramTransferModule, Snapshots, TransferData
from recolor_torch.lit.predict import RecolorModule
from recolor_torch.lit.writer import PictureWriter

__all__ = [
    "GramTransferModule",
    "PictureDataModule",
    "PictureWriter",
    "RecolorModule",
    "Snapshots",
    "TransferData",
]
