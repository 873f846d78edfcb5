"""Colorization by optimization (Levin et al. 2004): given colors spread to where luminance is alike."""

from recolor_torch.linalg.linear_system import NotConverged
from recolor_torch.methods.levin.method import LevinColorization, Spread, checked, given, spread_chroma

__all__ = ["LevinColorization", "NotConverged", "Spread", "checked", "given", "spread_chroma"]
