"""LightningModules: prediction with any method."""

from recolor_torch.lit.predict import RecolorModule

__all__ = ["RecolorModule"]
