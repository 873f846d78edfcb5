"""Scaled inputs and outputs of networks. They are made here and nowhere else."""

from torch import Tensor

CHROMA_SCALE = 4.0
"""U and V of photographs have a deviation of about 0.07; times this, a network's numbers are of order 1."""

LIGHTNESS_CENTRE = 50.0
LIGHTNESS_SCALE = 100.0
AB_SCALE = 110.0
"""Of the published networks of Zhang et al.: (L - 50) / 100 and ab / 110."""


def luminance_to_unit(luminance: Tensor) -> Tensor:
    """Luminance in [0, 1] to [-1, 1], which is also how EfficientNet-Lite scales its input."""
    return 2 * luminance - 1


def chroma_to_unit(chroma: Tensor) -> Tensor:
    """U and V in [-0.5, 0.5] to [-2, 2]."""
    return CHROMA_SCALE * chroma


def unit_to_chroma(chroma_unit: Tensor) -> Tensor:
    """The inverse of :func:`chroma_to_unit`."""
    return chroma_unit / CHROMA_SCALE


def lightness_to_unit(lightness: Tensor) -> Tensor:
    """L of Lab in [0, 100] to [-0.5, 0.5], as the networks of Zhang et al. read it."""
    return (lightness - LIGHTNESS_CENTRE) / LIGHTNESS_SCALE


def ab_to_unit(ab: Tensor) -> Tensor:
    """a and b of Lab in [-110, 110] to [-1, 1], as the networks of Zhang et al. read and give them."""
    return ab / AB_SCALE


def unit_to_ab(ab_unit: Tensor) -> Tensor:
    """The inverse of :func:`ab_to_unit`."""
    return ab_unit * AB_SCALE
